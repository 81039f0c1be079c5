"""What people and dead processes leave in a repository stops a merge with git's own words, or not at all."""

import shutil
from pathlib import Path

import pytest

from activities.repository.git import GitError
from tests.activities.forge.test_local import MENDED, Bench
from tests.support.repositories import git, make_repository
from workflows.models.pull_request import MergeOutcome


@pytest.fixture
def bench(state: Path) -> Bench:
    return Bench(state, make_repository(state / "shop"))


async def test_a_linked_work_tree_that_somebody_removed_is_in_nobodys_way(bench: Bench) -> None:
    git(bench.url, "checkout", "--quiet", "--detach")
    linked = bench.state / "linked"
    git(bench.url, "worktree", "add", "--quiet", str(linked), "main")
    shutil.rmtree(linked)
    result = await bench.merge(bench.task(), await bench.patch({"calc.py": MENDED}))
    assert result.outcome is MergeOutcome.MERGED
    assert bench.read() == MENDED


async def test_a_lock_that_a_dead_git_left_is_named_and_once_it_is_gone_the_merge_is_made_once(bench: Bench) -> None:
    git(bench.url, "checkout", "--quiet", "--detach")
    patch = await bench.patch({"calc.py": MENDED})
    pull = await bench.propose(bench.task(), patch)
    lock = bench.url / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    before = bench.tip()
    with pytest.raises(GitError, match=r"main\.lock"):
        await bench.forge.merge(bench.task(), pull, patch, "Merge it\n")
    assert bench.tip() == before
    lock.unlink()
    first = await bench.forge.merge(bench.task(), pull, patch, "Merge it\n")
    again = await bench.forge.merge(bench.task(), pull, patch, "Merge it\n")
    assert (first.outcome, again.commit) == (MergeOutcome.MERGED, first.commit)
