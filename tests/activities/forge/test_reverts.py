"""Taking merges back on the local forge, when others are there: conflicts, rewritten bases, races."""

import asyncio
from pathlib import Path

import pytest

from activities.forge.attribution import revert_body
from activities.forge.pulls import Pull
from tests.activities.forge.test_local import MENDED, Bench
from tests.support.repositories import commit_files, commit_to_bare, git, make_repository
from workflows.models.intent import revert_branch
from workflows.models.pull_request import MergeOutcome, MergeResult, PullRequest, RevertOutcome, RevertResult
from workflows.models.task import Task

BY_SUM = "def add(a, b):\n    return sum((a, b))\n"


@pytest.fixture
def bench(state: Path) -> Bench:
    return Bench(state, make_repository(state / "shop.git", bare=True))


async def conflicting(bench: Bench) -> tuple[Task, MergeResult]:
    """A merge whose lines somebody has changed since."""
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED, "new.py": "x = 1\n"}))
    commit_to_bare(bench.url, {"calc.py": BY_SUM}, "Use sum")
    return task, merged


async def proposed(bench: Bench, task: Task, merged: MergeResult) -> PullRequest:
    pull = await bench.forge.propose_revert(task, merged.commit, "Take it back\n", "Revert", "body")
    assert pull is not None
    return pull


def record(bench: Bench, pull: PullRequest) -> Pull:
    return next(one for one in bench.forge.pulls(str(bench.url)) if one.number == pull.number)


def on(bench: Bench, branch: str, path: str = "calc.py") -> str:
    return git(bench.url, "show", f"{branch}:{path}")


async def test_a_conflict_waits_for_a_person_on_a_branch_off_base_with_git_s_markers(bench: Bench) -> None:
    task, merged = await conflicting(bench)
    base = bench.tip()
    pull = await proposed(bench, task, merged)
    assert "<<<<<<<" in on(bench, pull.head)
    assert "return sum((a, b))" in on(bench, pull.head)
    assert "new.py" not in git(bench.url, "ls-tree", "--name-only", pull.head).split()
    assert git(bench.url, "rev-parse", f"{pull.head}^") == base == bench.tip()


async def test_asking_five_times_at_once_makes_one_pull_request(bench: Bench) -> None:
    task, merged = await conflicting(bench)
    pulls = await asyncio.gather(*(proposed(bench, task, merged) for _ in range(5)))
    assert len({pull.number for pull in pulls}) == 1
    assert len(bench.forge.pulls(str(bench.url))) == 2


async def test_asked_again_on_a_newer_base_it_is_made_anew_until_somebody_works_on_it(bench: Bench) -> None:
    task, merged = await conflicting(bench)
    first = await proposed(bench, task, merged)
    moved = commit_to_bare(bench.url, {"other.py": "y = 2\n"})
    again = await proposed(bench, task, merged)
    assert again.number == first.number
    assert git(bench.url, "rev-parse", f"{again.head}^") == moved
    mine = commit_to_bare(bench.url, {"calc.py": BY_SUM}, "Half resolved", branch=again.head)
    commit_to_bare(bench.url, {"other.py": "y = 3\n"})
    assert (await proposed(bench, task, merged)).number == first.number
    assert bench.tip(again.head) == mine


async def test_a_branch_that_somebody_has_checked_out_with_changes_is_left_alone(state: Path) -> None:
    bench = Bench(state, make_repository(state / "shop"))
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    commit_files(bench.url, {"calc.py": BY_SUM})
    pull = await proposed(bench, task, merged)
    tree = state / "resolving"
    git(bench.url, "worktree", "add", "--quiet", str(tree), pull.head)
    (tree / "calc.py").write_text("my own work\n")
    commit_files(bench.url, {"other.py": "y = 2\n"})
    assert (await proposed(bench, task, merged)).number == pull.number
    assert (tree / "calc.py").read_text() == "my own work\n"
    assert bench.tip(pull.head) == record(bench, pull).head


async def test_a_conflict_that_a_person_resolved_and_merged_is_known_as_taken_back(bench: Bench) -> None:
    task, merged = await conflicting(bench)
    pull = await proposed(bench, task, merged)
    resolved = commit_to_bare(bench.url, {"calc.py": BY_SUM}, "Resolve", branch=pull.head)
    git(bench.url, "update-ref", "refs/heads/main", resolved)
    again = await bench.forge.revert(task, merged.commit, "Take it back\n")
    assert again.outcome is RevertOutcome.ALREADY_REVERTED
    assert bench.tip() == resolved
    assert record(bench, pull).state == "merged"


async def test_a_revert_that_is_merged_with_its_conflict_markers_has_taken_nothing_back(bench: Bench) -> None:
    task, merged = await conflicting(bench)
    pull = await proposed(bench, task, merged)
    git(bench.url, "update-ref", "refs/heads/main", pull.head)
    again = await bench.forge.revert(task, merged.commit, "Take it back\n")
    assert again.outcome is RevertOutcome.CONFLICT
    left = git(bench.url, "rev-parse", pull.head)[:12]
    assert again.detail == f"{left} was merged with its conflict markers left in calc.py: resolve them on main"
    # Another pull request would have markers within markers.
    assert await bench.forge.propose_revert(task, merged.commit, "back\n", "Revert", "body") is None
    commit_to_bare(bench.url, {"calc.py": BY_SUM}, "Resolve")
    commit_to_bare(bench.url, {"calc.py": f"{BY_SUM}'''\n<<<<<<< how a conflict looks\n'''\n"}, "Explain")
    assert (await bench.forge.revert(task, merged.commit, "Take it back\n")).outcome is RevertOutcome.ALREADY_REVERTED
    assert record(bench, pull).state == "merged"


@pytest.mark.parametrize("how", ["merge", "squash"])
@pytest.mark.parametrize("leaves", [True, False])
async def test_whether_markers_are_left_is_seen_however_a_forge_brings_the_branch_in(
    bench: Bench, how: str, leaves: bool
) -> None:
    task, merged = await conflicting(bench)
    pull = await proposed(bench, task, merged)
    if not leaves:
        commit_to_bare(bench.url, {"calc.py": BY_SUM}, "Resolve", branch=pull.head)
    base = commit_to_bare(bench.url, {"other.py": "y = 2\n"}, "Meanwhile")
    tree = git(bench.url, "merge-tree", "--write-tree", "main", pull.head)
    parents = ["-p", base, *(["-p", pull.head] if how == "merge" else [])]
    words = git(bench.url, "log", "--format=%B", "--grep=Journeyman-Reverts", "-1", pull.head)
    landed = git(bench.url, "commit-tree", tree, *parents, "-m", words if how == "squash" else "Merge it")
    git(bench.url, "update-ref", "refs/heads/main", landed)
    again = await bench.forge.revert(task, merged.commit, "Take it back\n")
    assert again.outcome is (RevertOutcome.CONFLICT if leaves else RevertOutcome.ALREADY_REVERTED)


async def test_a_clean_revert_that_brings_back_lines_that_look_like_markers_is_made_once(bench: Bench) -> None:
    heading, rest = "Title\n=======\n<<<<<<< of old\n", "x\n" * 20
    commit_to_bare(bench.url, {"calc.py": heading + rest})
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": rest}))
    commit_to_bare(bench.url, {"calc.py": rest + "More\n=======\n"}, "Another heading")
    assert (await bench.forge.revert(task, merged.commit, "back\n")).outcome is RevertOutcome.REVERTED
    assert bench.read().count("=======") == 2
    assert (await bench.forge.revert(task, merged.commit, "back\n")).outcome is RevertOutcome.ALREADY_REVERTED


async def test_a_marker_left_in_one_of_many_odd_paths_is_named(bench: Bench) -> None:
    names = ["a b.txt", "*.py", ":(glob)x", "new\nline.txt", "ünï.txt"]
    commit_to_bare(bench.url, dict.fromkeys(names, "one\n"))
    task = bench.task()
    merged = await bench.merge(task, await bench.patch(dict.fromkeys(names, "two\n")))
    commit_to_bare(bench.url, dict.fromkeys(names, "three\n"), "Three")
    pull = await proposed(bench, task, merged)
    commit_to_bare(bench.url, dict.fromkeys(names[:-2], "three\n"), "Resolve most", branch=pull.head)
    git(bench.url, "update-ref", "refs/heads/main", pull.head)
    again = await bench.forge.revert(task, merged.commit, "back\n")
    assert again.outcome is RevertOutcome.CONFLICT
    assert all(name in again.detail for name in names[-2:]) and "a b.txt" not in again.detail


async def test_once_the_commit_in_the_way_is_gone_the_same_revert_is_clean_and_its_pull_request_over(
    bench: Bench,
) -> None:
    task, merged = await conflicting(bench)
    assert (await bench.forge.revert(task, merged.commit, "Take it back\n")).outcome is RevertOutcome.CONFLICT
    pull = await proposed(bench, task, merged)
    commit_to_bare(bench.url, {"calc.py": MENDED}, "Back to plus")
    again = await bench.forge.revert(task, merged.commit, "Take it back\n")
    assert again.outcome is RevertOutcome.REVERTED
    assert "a - b" in bench.read()
    assert record(bench, pull).state == "merged"


async def test_a_merge_that_somebody_brought_back_after_its_revert_can_be_taken_back_again(bench: Bench) -> None:
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    first = await bench.forge.revert(task, merged.commit, "back\n")
    assert (await bench.forge.revert(task, merged.commit, "back\n")).outcome is RevertOutcome.ALREADY_REVERTED
    # As a person does it who believes that it is right after all.
    commit_to_bare(bench.url, {"calc.py": MENDED}, f'Revert "{first.commit}"')
    again = await bench.forge.revert(task, merged.commit, "back\n")
    assert again.outcome is RevertOutcome.REVERTED and again.commit != first.commit
    assert on(bench, "main") != MENDED.strip()
    assert (await bench.forge.revert(task, merged.commit, "back\n")).commit == again.commit


async def test_a_revert_that_is_asked_for_again_leaves_the_same_change_of_another_task(bench: Bench) -> None:
    first, second = bench.task(), bench.task("t2")
    merged = await bench.merge(first, await bench.patch({"calc.py": MENDED}))
    back = await bench.forge.revert(first, merged.commit, "back\n")
    other = await bench.merge(second, await bench.patch({"calc.py": MENDED}, "t2"))
    again = await bench.forge.revert(first, merged.commit, "back\n")
    assert (again.outcome, again.commit) == (RevertOutcome.ALREADY_REVERTED, back.commit)
    assert "later work" in again.detail
    assert on(bench, "main") == MENDED.strip()
    assert (await bench.forge.revert(second, other.commit, "back\n")).outcome is RevertOutcome.REVERTED
    assert on(bench, "main") != MENDED.strip()


async def test_what_somebody_took_back_by_hand_is_not_taken_back_by_an_empty_commit(bench: Bench) -> None:
    task, before = bench.task(), bench.read()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    by_hand = commit_to_bare(bench.url, {"calc.py": before}, "It was wrong")
    result = await bench.forge.revert(task, merged.commit, "back\n")
    assert (result.outcome, bench.tip()) == (RevertOutcome.ALREADY_REVERTED, by_hand)


async def test_a_trailer_that_somebody_wrote_does_not_pass_for_a_revert(bench: Bench) -> None:
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    commit_to_bare(bench.url, {"other.py": "y = 2\n"}, f"Tidy up\n\nJourneyman-Reverts: {merged.commit}")
    assert (await bench.forge.revert(task, merged.commit, "back\n")).outcome is RevertOutcome.REVERTED
    assert on(bench, "main") != MENDED.strip() and on(bench, "main", "other.py") == "y = 2"


async def test_of_a_base_that_was_rewritten_no_pull_request_is_made(bench: Bench) -> None:
    task, merged = await conflicting(bench)
    git(bench.url, "update-ref", "refs/heads/main", f"{merged.commit}^1")
    assert await bench.forge.propose_revert(task, merged.commit, "back\n", "Revert", "body") is None
    assert revert_branch(task.id) not in git(bench.url, "branch", "--list", "--all")


async def test_a_base_that_is_force_pushed_while_it_is_reverted_keeps_what_was_pushed(bench: Bench) -> None:
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    commit_to_bare(bench.url, {"other.py": "y = 2\n"})
    rewritten = git(bench.url, "commit-tree", f"{merged.commit}^{{tree}}", "-p", f"{merged.commit}^1", "-m", "squash")
    result, _ = await asyncio.gather(
        bench.forge.revert(task, merged.commit, "Take it back\n"),
        asyncio.to_thread(git, bench.url, "update-ref", "refs/heads/main", rewritten),
    )
    if result.outcome is RevertOutcome.REFUSED:
        assert "rewritten" in result.detail
    else:
        assert result.outcome is RevertOutcome.REVERTED
    # Whichever came first: the push was onto whatever there was, and nothing was laid over it.
    assert bench.tip() == rewritten


async def test_reverting_while_another_change_merges_keeps_both(bench: Bench) -> None:
    first = bench.task()
    merged = await bench.merge(first, await bench.patch({"calc.py": MENDED}))
    second, patch = bench.task("t2"), await bench.patch({"other.py": "y = 2\n"}, "t2")
    pull = await bench.propose(second, patch)
    reverted, other = await asyncio.gather(
        bench.forge.revert(first, merged.commit, "Take it back\n"), bench.forge.merge(second, pull, patch, "Merge\n")
    )
    assert reverted.outcome is RevertOutcome.REVERTED
    if other.outcome is MergeOutcome.BASE_MOVED:
        assert bench.tip() == reverted.commit
    else:
        assert bench.read("other.py") == "y = 2\n"
    assert "a - b" in bench.read()


async def test_a_revert_asked_five_times_at_once_is_made_once(bench: Bench) -> None:
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    results = await asyncio.gather(*(bench.forge.revert(task, merged.commit, "back\n") for _ in range(5)))
    assert sorted(result.outcome for result in results) == [RevertOutcome.ALREADY_REVERTED] * 4 + [
        RevertOutcome.REVERTED
    ]
    assert len({result.commit for result in results}) == 1
    assert git(bench.url, "rev-list", "--count", f"{merged.commit}..main") == "1"


async def test_what_is_in_the_way_is_named_as_code_and_can_notify_nobody(bench: Bench) -> None:
    task, merged = await conflicting(bench)
    evil = "`@everyone` ![x](http://evil.example) | # Approved"
    commit_to_bare(bench.url, {"calc.py": "def add(a, b):\n    return -1\n"}, evil)
    conflict = await bench.forge.revert(task, merged.commit, "Take it back\n")
    body = revert_body(task, merged.commit, conflict, ("ada", "grace"))
    (line,) = (line for line in body.splitlines() if "everyone" in line)
    assert line.startswith("- `")
    assert line.count("`") == 2
    assert "calc.py" in body
    assert "Ada: Use sum" in body
    assert isinstance(conflict, RevertResult)
