"""What a revert would come to is known beforehand, and trying it changes nothing."""

from pathlib import Path

import pytest

from activities.decisions.attested import AttestedMerge
from activities.forge.revert_preview import RevertPreviews
from tests.activities.forge.test_local import MENDED, Bench
from tests.support.repositories import commit_to_bare, git, make_repository
from workflows.models.pull_request import RevertOutcome, RevertOutlook

BY_SUM = "def add(a, b):\n    return sum((a, b))\n"


@pytest.fixture
def bench(state: Path) -> Bench:
    return Bench(state, make_repository(state / "shop.git", bare=True))


async def merged(bench: Bench, text: str, name: str) -> AttestedMerge:
    patch = await bench.patch({"calc.py": text}, name)
    result = await bench.merge(bench.task(name), patch)
    return AttestedMerge(commit=result.commit, head=patch.head, base="main", repository=str(bench.url))


async def outlooks(bench: Bench, *merges: AttestedMerge) -> list[RevertOutlook]:
    found = await RevertPreviews(bench.git, bench.mirrors).of(merges)
    return [preview.outlook for preview in found]


async def test_what_is_said_beforehand_is_what_reverting_comes_to(bench: Bench) -> None:
    merge = await merged(bench, MENDED, "t1")
    assert await outlooks(bench, merge) == [RevertOutlook.CLEAN]
    commit_to_bare(bench.url, {"calc.py": BY_SUM}, "Use sum")
    (preview,) = await RevertPreviews(bench.git, bench.mirrors).of([merge])
    result = await bench.forge.revert(bench.task(), merge.commit, "back\n")
    assert (preview.outlook, result.outcome) == (RevertOutlook.CONFLICT, RevertOutcome.CONFLICT)
    assert preview.conflicts == result.conflicts
    assert preview.commits_in_the_way == result.commits_in_the_way
    commit_to_bare(bench.url, {"calc.py": MENDED}, "Back to plus")
    assert await outlooks(bench, merge) == [RevertOutlook.CLEAN]
    await bench.forge.revert(bench.task(), merge.commit, "back\n")
    assert await outlooks(bench, merge) == [RevertOutlook.TAKEN_BACK]


async def test_several_are_tried_in_order_so_that_the_newest_first_are_clean(bench: Bench) -> None:
    older = await merged(bench, MENDED, "t1")
    newer = await merged(bench, BY_SUM, "t2")
    assert await outlooks(bench, newer, older) == [RevertOutlook.CLEAN, RevertOutlook.CLEAN]
    assert await outlooks(bench, older, newer) == [RevertOutlook.CONFLICT, RevertOutlook.CLEAN]


async def test_work_that_nobody_has_committed_is_told_of_where_a_revert_would_lose_it(state: Path) -> None:
    bench = Bench(state, make_repository(state / "shop", {"calc.py": "x = 1\n", "mine.py": "x = 1\n"}))
    merge = await merged(bench, MENDED, "t1")
    (bench.url / "mine.py").write_text("my own work\n")
    (preview,) = await RevertPreviews(bench.git, bench.mirrors).of([merge])
    assert (preview.outlook, preview.detail) == (RevertOutlook.CLEAN, "")
    (bench.url / "calc.py").write_text("my own work\n")
    (preview,) = await RevertPreviews(bench.git, bench.mirrors).of([merge])
    assert (preview.outlook, "calc.py" in preview.detail) == (RevertOutlook.CLEAN, True)
    assert (await bench.forge.revert(bench.task(), merge.commit, "back\n")).outcome is RevertOutcome.REFUSED


async def test_trying_changes_no_repository_and_looking_again_leaves_nothing_more(bench: Bench) -> None:
    merge = await merged(bench, MENDED, "t1")
    before = git(bench.url, "for-each-ref"), git(bench.url, "count-objects")
    await outlooks(bench, merge)
    (vault,) = (bench.state / "mirrors").glob("*.vault")
    once = git(vault, "count-objects")
    for _ in range(3):
        await outlooks(bench, merge)
    assert git(vault, "count-objects") == once
    assert (git(bench.url, "for-each-ref"), git(bench.url, "count-objects")) == before


async def test_of_a_base_that_was_rewritten_or_a_repository_that_is_gone_it_is_said(bench: Bench) -> None:
    merge = await merged(bench, MENDED, "t1")
    git(bench.url, "update-ref", "refs/heads/main", f"{merge.commit}^1")
    assert await outlooks(bench, merge) == [RevertOutlook.GONE]
    bench.url.rename(bench.url.with_name("moved.git"))
    (preview,) = await RevertPreviews(bench.git, bench.mirrors).of([merge])
    assert preview.outlook is not RevertOutlook.CLEAN
    assert preview.detail
