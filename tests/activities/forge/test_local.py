"""The local forge: one PR, one merge, nothing lost, and a way back."""

import asyncio
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.archive.artifacts import Artifacts
from activities.archive.objects import Objects
from activities.forge.local import LocalForge
from activities.repository.git import Git
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from tests.support.repositories import commit_to_bare, git, make_repository
from workflows.models.intent import Intent
from workflows.models.patch import Patch
from workflows.models.person import Person
from workflows.models.pull_request import MergeOutcome, MergeResult, PullRequest, RevertOutcome
from workflows.models.task import Repository, Task

MENDED = "def add(a, b):\n    return a + b\n"


class Bench:
    """A forge with what it takes to make patches for it."""

    def __init__(self, state: Path, url: Path) -> None:
        self.url = url
        self.state = state
        self.git = Git(state / "git")
        self.artifacts = Artifacts(Objects.open(str(state / "archive")))
        self.mirrors = Mirrors(state / "mirrors", self.git)
        self.patches = Patches(self.git, self.artifacts)
        self.forge = LocalForge(self.git, state / "forge")

    def task(self, name: str = "t1") -> Task:
        intent = Intent(key=f"cli:{name}", requester=Person(id="ada"))
        repository = Repository(url=str(self.url), name="shop")
        return Task(id=name, intent=intent, repository=repository, goal="mend add()")

    async def patch(self, files: dict[str, str], name: str = "t1") -> Patch:
        """A patch on base as it is now, as the exporter would make it."""
        mirror = await self.mirrors.refresh(str(self.url))
        base = await self.mirrors.resolve(mirror, "main")
        index = {"GIT_INDEX_FILE": str(mirror.vault / f"index-{name}")}

        async def run(*command: str) -> str:
            out = await self.git.run(*command, purpose="test", git_dir=mirror.vault, environment=index)
            return out.decode().strip()

        await run("read-tree", base)
        for path, text in files.items():
            await run("update-index", "--add", "--cacheinfo", *(await self._blob(mirror.vault, path, text)))
        when = datetime(2026, 1, 1, tzinfo=UTC)
        tree = await run("write-tree")
        return await self.patches.make(mirror, name, base=base, tree=tree, message="mend\n", when=when)

    async def _blob(self, vault: Path, path: str, text: str) -> list[str]:
        blob = await self.git.run("hash-object", "-w", "--stdin", purpose="test", git_dir=vault, stdin=text.encode())
        return ["100644", blob.decode().strip(), path]

    async def propose(self, task: Task, patch: Patch) -> PullRequest:
        return await self.forge.propose(task, patch, await self.artifacts.get(patch.bundle), "mend", "body")

    async def merge(self, task: Task, patch: Patch) -> MergeResult:
        return await self.forge.merge(task, await self.propose(task, patch), patch, "Merge it\n")

    def tip(self, branch: str = "main") -> str:
        return git(self.url, "rev-parse", f"refs/heads/{branch}")

    def read(self, path: str = "calc.py") -> str:
        return git(self.url, "show", f"main:{path}") + "\n"


@pytest.fixture
def bench(state: Path) -> Bench:
    return Bench(state, make_repository(state / "shop.git", bare=True))


async def test_a_patch_lands_with_its_head_as_second_parent(bench: Bench) -> None:
    patch = await bench.patch({"calc.py": MENDED})
    result = await bench.merge(bench.task(), patch)
    assert result.outcome is MergeOutcome.MERGED
    assert bench.tip() == result.commit
    assert git(bench.url, "log", "-1", "--format=%P") == f"{patch.base_commit} {patch.head}"
    assert bench.read() == MENDED


async def test_what_is_merged_is_the_approved_head_s_tree_whatever_tree_the_order_names(bench: Bench) -> None:
    patch = await bench.patch({"calc.py": MENDED})
    other = await bench.patch({"calc.py": "import os\n"}, "t2")
    await bench.propose(bench.task("t2"), other)
    swapped = patch.model_copy(update={"tree": other.tree})
    assert (await bench.merge(bench.task(), swapped)).outcome is MergeOutcome.MERGED
    assert bench.read() == MENDED


async def test_proposing_and_merging_again_after_a_lost_answer_changes_nothing(bench: Bench) -> None:
    patch, task = await bench.patch({"calc.py": MENDED}), bench.task()
    first = await bench.merge(task, patch)
    again = await bench.forge.merge(task, await bench.propose(task, patch), patch, "Merge it\n")
    assert (again.outcome, again.commit) == (MergeOutcome.MERGED, first.commit)
    assert bench.tip() == first.commit
    assert [pull.state for pull in bench.forge.pulls(str(bench.url))] == ["merged"]


async def test_a_merge_whose_record_was_lost_in_a_crash_is_found_in_history(bench: Bench) -> None:
    patch, task = await bench.patch({"calc.py": MENDED}), bench.task()
    pull = await bench.propose(task, patch)
    done = await bench.forge.merge(task, pull, patch, "Merge it\n")
    (record,) = bench.state.glob("forge/pulls/*/1.json")
    record.write_text(record.read_text().replace('"merged"', '"open"'))
    later = commit_to_bare(bench.url, {"other.py": "x = 1\n"})
    again = await bench.forge.merge(task, pull, patch, "Merge it\n")
    assert (again.outcome, again.commit) == (MergeOutcome.MERGED, done.commit)
    assert bench.tip() == later
    assert bench.forge.pulls(str(bench.url))[0].state == "merged"


async def test_one_branch_has_one_open_pull_request_however_often_it_is_proposed(bench: Bench) -> None:
    patch = await bench.patch({"calc.py": MENDED})
    pulls = await asyncio.gather(*(bench.propose(bench.task(), patch) for _ in range(5)))
    assert {pull.number for pull in pulls} == {1}
    assert len(bench.forge.pulls(str(bench.url))) == 1


async def test_a_base_that_moved_is_not_merged_onto(bench: Bench) -> None:
    patch = await bench.patch({"calc.py": MENDED})
    moved = commit_to_bare(bench.url, {"other.py": "x = 1\n"})
    result = await bench.merge(bench.task(), patch)
    assert (result.outcome, result.base_commit) == (MergeOutcome.BASE_MOVED, moved)
    assert bench.tip() == moved


async def test_a_head_that_somebody_changed_is_refused(bench: Bench) -> None:
    patch, task = await bench.patch({"calc.py": MENDED}), bench.task()
    pull = await bench.propose(task, patch)
    commit_to_bare(bench.url, {"evil.py": "import os\n"}, branch=task.branch)
    result = await bench.forge.merge(task, pull, patch, "Merge it\n")
    assert result.outcome is MergeOutcome.REFUSED
    assert "somebody pushed" in result.detail
    assert bench.tip() == patch.base_commit


@pytest.mark.parametrize("what", ["deleted", "rewritten"])
async def test_a_base_that_is_deleted_or_rewritten_while_waiting_loses_nothing(bench: Bench, what: str) -> None:
    patch, task = await bench.patch({"calc.py": MENDED}), bench.task()
    pull = await bench.propose(task, patch)
    if what == "deleted":
        git(bench.url, "update-ref", "-d", "refs/heads/main")
    else:
        tree = git(bench.url, "rev-parse", "main^{tree}")
        git(bench.url, "update-ref", "refs/heads/main", git(bench.url, "commit-tree", tree, "-m", "anew"))
    result = await bench.forge.merge(task, pull, patch, "Merge it\n")
    assert result.outcome is (MergeOutcome.REFUSED if what == "deleted" else MergeOutcome.BASE_MOVED)
    assert git(bench.url, "rev-parse", task.branch) == patch.head


async def test_concurrent_merges_lose_no_commit(bench: Bench) -> None:
    async def land(number: int) -> None:
        name = f"t{number}"
        patch = await bench.patch({f"file{number}.py": f"x = {number}\n"}, name)
        while (result := await bench.merge(bench.task(name), patch)).outcome is MergeOutcome.BASE_MOVED:
            mirror = await bench.mirrors.refresh(str(bench.url))
            rebased = await bench.patches.rebase(mirror, name, patch, await bench.mirrors.resolve(mirror, "main"))
            assert isinstance(rebased, Patch)
            patch = rebased
        assert result.outcome is MergeOutcome.MERGED

    await asyncio.gather(*(land(number) for number in range(6)))
    files = git(bench.url, "ls-tree", "--name-only", "main").split()
    assert {f"file{number}.py" for number in range(6)} <= set(files)


async def test_a_revert_takes_back_the_merge_and_keeps_later_commits(bench: Bench) -> None:
    task, before = bench.task(), bench.read()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    commit_to_bare(bench.url, {"other.py": "x = 1\n"})
    reverted = await bench.forge.revert(task, merged.commit, "Take it back\n")
    assert reverted.outcome is RevertOutcome.REVERTED
    assert bench.read() == before
    assert bench.read("other.py") == "x = 1\n"
    again = await bench.forge.revert(task, merged.commit, "Take it back\n")
    assert (again.outcome, again.commit) == (RevertOutcome.ALREADY_REVERTED, reverted.commit)
    assert bench.tip() == reverted.commit


async def test_a_revert_that_conflicts_says_with_what_and_changes_nothing(bench: Bench) -> None:
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    later = commit_to_bare(bench.url, {"calc.py": "def add(a, b):\n    return sum((a, b))\n"}, "Use sum")
    result = await bench.forge.revert(task, merged.commit, "Take it back\n")
    assert result.outcome is RevertOutcome.CONFLICT
    assert result.conflicts == ("calc.py",)
    assert [line.split(": ", 1)[1] for line in result.commits_in_the_way] == ["Use sum"]
    assert bench.tip() == later


async def test_a_merge_that_is_no_longer_on_base_is_not_reverted(bench: Bench) -> None:
    task = bench.task()
    merged = await bench.merge(task, await bench.patch({"calc.py": MENDED}))
    git(bench.url, "update-ref", "refs/heads/main", f"{merged.commit}^1")
    result = await bench.forge.revert(task, merged.commit, "Take it back\n")
    assert result.outcome is RevertOutcome.REFUSED


async def test_reverts_and_merges_at_once_lose_no_commit(bench: Bench) -> None:
    merges = []
    for number in range(3):
        patch = await bench.patch({f"file{number}.py": "x\n"}, f"t{number}")
        merges.append((bench.task(f"t{number}"), await bench.merge(bench.task(f"t{number}"), patch)))
    results = await asyncio.gather(*(bench.forge.revert(task, merge.commit, "back\n") for task, merge in merges))
    assert {result.outcome for result in results} == {RevertOutcome.REVERTED}
    assert git(bench.url, "ls-tree", "--name-only", "main").split() == ["calc.py"]


async def test_a_closed_task_leaves_no_branch_and_its_pull_request_cannot_be_merged(bench: Bench) -> None:
    patch, task = await bench.patch({"calc.py": MENDED}), bench.task()
    pull = await bench.propose(task, patch)
    await bench.forge.close(task, pull, "rejected")
    await bench.forge.close(task, pull, "rejected")
    assert task.branch not in git(bench.url, "branch", "--list", "--all")
    assert (await bench.forge.merge(task, pull, patch, "Merge it\n")).outcome is MergeOutcome.REFUSED


async def test_what_a_person_pushed_to_a_task_s_branch_outlives_the_next_round_and_the_task(bench: Bench) -> None:
    task, patch = bench.task(), await bench.patch({"calc.py": MENDED})
    git(bench.url, "branch", task.branch, "main")
    strangers = commit_to_bare(bench.url, {"note.py": "z = 1\n"}, "Before any task", branch=task.branch)
    pull = await bench.propose(task, patch)
    fixed = commit_to_bare(bench.url, {"calc.py": MENDED + "# right\n"}, "What the agent missed", branch=task.branch)
    again = await bench.patch({"calc.py": MENDED + "\n"}, "t1-2")
    assert (await bench.propose(task, again)).number == pull.number
    assert bench.tip(task.branch) == again.head
    assert fixed in bench.forge.pulls(str(bench.url))[0].body
    late = commit_to_bare(bench.url, {"calc.py": "x = 3\n"}, "Late", branch=task.branch)
    await bench.forge.close(task, pull, "rejected")
    assert late in bench.forge.pulls(str(bench.url))[0].reason
    git(bench.url, "gc", "--quiet", "--prune=now")
    kept = git(bench.url, "for-each-ref", "--format=%(objectname)", "refs/journeyman/kept").split()
    assert sorted(kept) == sorted([strangers, fixed, late])
    assert git(bench.url, "log", "-1", "--format=%s", fixed) == "What the agent missed"


async def test_a_merged_task_s_branch_is_gone_and_what_somebody_pushed_to_it_is_kept(bench: Bench) -> None:
    task, patch = bench.task(), await bench.patch({"calc.py": MENDED})
    pull = await bench.propose(task, patch)
    merged = await bench.forge.merge(task, pull, patch, "Merge it\n")
    assert merged.outcome is MergeOutcome.MERGED
    assert git(bench.url, "branch", "--list", task.branch) == ""
    # Somebody who did not know pushes again, and the step is delivered again.
    git(bench.url, "branch", task.branch, patch.head)
    late = commit_to_bare(bench.url, {"calc.py": "x = 3\n"}, "Late", branch=task.branch)
    assert await bench.forge.merge(task, pull, patch, "Merge it\n") == merged
    assert git(bench.url, "branch", "--list", task.branch) == ""
    assert git(bench.url, "for-each-ref", "--format=%(objectname)", "refs/journeyman/kept") == late


async def test_a_clean_checkout_of_base_is_updated_with_the_merge_and_the_revert(state: Path) -> None:
    bench = Bench(state, make_repository(state / "shop"))
    merged = await bench.merge(bench.task(), await bench.patch({"calc.py": MENDED, "new.py": "x\n"}))
    assert merged.outcome is MergeOutcome.MERGED
    assert (bench.url / "calc.py").read_text() == MENDED
    assert git(bench.url, "status", "--porcelain") == ""
    await bench.forge.revert(bench.task(), merged.commit, "back\n")
    assert not (bench.url / "new.py").exists()
    assert git(bench.url, "status", "--porcelain") == ""


async def test_a_rejected_patch_is_not_in_a_mirror_that_is_made_later(bench: Bench, state: Path) -> None:
    patch, task = await bench.patch({"calc.py": MENDED}), bench.task()
    await bench.forge.close(task, await bench.propose(task, patch), "rejected")
    mirror = await Mirrors(state / "elsewhere", bench.git).refresh(str(bench.url))
    assert await bench.git.exit_code("cat-file", "-e", patch.head, git_dir=mirror.path) != 0
    assert await bench.git.exit_code("cat-file", "-e", patch.base_commit, git_dir=mirror.path) == 0


@pytest.mark.parametrize("dirt", ["modified", "untracked in the way"])
async def test_a_checkout_with_changes_of_a_person_is_refused_and_keeps_them(state: Path, dirt: str) -> None:
    bench = Bench(state, make_repository(state / "shop"))
    patch = await bench.patch({"calc.py": MENDED, "new.py": "x\n"})
    mine = bench.url / ("calc.py" if dirt == "modified" else "new.py")
    mine.write_text("my own work\n")
    result = await bench.merge(bench.task(), patch)
    assert result.outcome is MergeOutcome.REFUSED
    assert "commit, stash or move" in result.detail
    assert mine.name in result.detail
    assert mine.read_text() == "my own work\n"
    assert bench.tip() == patch.base_commit


async def test_work_on_other_files_is_in_no_merge_s_and_no_revert_s_way_and_stays(state: Path) -> None:
    bench = Bench(state, make_repository(state / "shop", {"calc.py": "x = 1\n", "mine.py": "x = 1\n", "too.py": "y\n"}))
    patch = await bench.patch({"calc.py": MENDED, "new.py": "x\n"})

    def works() -> None:
        (bench.url / "mine.py").write_text("my own work\n")
        (bench.url / "too.py").write_text("staged\n")
        git(bench.url, "add", "too.py")
        (bench.url / "loose.py").write_text("not even added\n")

    works()
    before = git(bench.url, "status", "--porcelain")
    merged = await bench.merge(bench.task(), patch)
    assert merged.outcome is MergeOutcome.MERGED, merged.detail
    assert ((bench.url / "calc.py").read_text(), git(bench.url, "status", "--porcelain")) == (MENDED, before)
    reverted = await bench.forge.revert(bench.task(), merged.commit, "back\n")
    assert reverted.outcome is RevertOutcome.REVERTED, reverted.detail
    assert not (bench.url / "new.py").exists()
    assert git(bench.url, "status", "--porcelain") == before
    assert (bench.url / "mine.py").read_text() == "my own work\n"


async def test_an_update_that_died_half_way_is_finished_by_the_retry(state: Path) -> None:
    bench = Bench(state, make_repository(state / "shop", {"calc.py": "x = 1\n", "too.py": "y\n"}))
    patch, task = await bench.patch({"calc.py": MENDED}), bench.task()
    pull = await bench.propose(task, patch)
    tree = git(bench.url, "rev-parse", f"{patch.head}^{{tree}}")
    merge = git(bench.url, "commit-tree", tree, "-p", patch.base_commit, "-p", patch.head, "-m", "Merge it")
    git(bench.url, "update-ref", "refs/heads/main", merge)
    (bench.url / "too.py").write_text("staged\n")
    git(bench.url, "add", "too.py")
    result = await bench.forge.merge(task, pull, patch, "Merge it\n")
    assert (result.outcome, result.commit) == (MergeOutcome.MERGED, merge)
    assert (bench.url / "calc.py").read_text() == MENDED
    assert git(bench.url, "status", "--porcelain") == "M  too.py"


async def test_the_repositorys_hooks_do_not_run(state: Path) -> None:
    bench = Bench(state, make_repository(state / "shop"))
    for name in ("reference-transaction", "post-merge", "post-checkout", "update", "post-index-change", "pre-auto-gc"):
        hook = bench.url / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {state}/hook-ran\n")
        hook.chmod(0o755)
    assert (await bench.merge(bench.task(), await bench.patch({"calc.py": MENDED}))).outcome is MergeOutcome.MERGED
    assert not (state / "hook-ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes in other people's repositories")
async def test_what_root_writes_in_a_persons_repository_stays_that_persons(state: Path) -> None:
    bench = Bench(state, make_repository(state / "shop"))
    for path in (bench.url, *bench.url.rglob("*")):
        os.chown(path, 65533, 65533)
    assert (await bench.merge(bench.task(), await bench.patch({"calc.py": MENDED}))).outcome is MergeOutcome.MERGED
    strangers = [path for path in bench.url.rglob("*") if path.stat().st_uid != 65533]
    assert strangers == []


async def test_the_same_patch_on_another_base_is_known_to_be_the_same(bench: Bench) -> None:
    patch = await bench.patch({"calc.py": MENDED})
    commit_files_base = commit_to_bare(bench.url, {"other.py": "x = 1\n"})
    mirror = await bench.mirrors.refresh(str(bench.url))
    rebased = await bench.patches.rebase(mirror, "again", patch, commit_files_base)
    assert isinstance(rebased, Patch)
    assert rebased.head != patch.head
    assert rebased.diff_sha256 == patch.diff_sha256
    other = await bench.patch({"calc.py": "def add(a, b):\n    return b + a\n"}, "t2")
    assert other.diff_sha256 != patch.diff_sha256


async def test_a_removed_work_tree_that_git_still_lists_is_in_nobody_s_way(state: Path) -> None:
    repository = make_repository(state / "shop.git", bare=True)
    git(repository, "worktree", "add", str(state / "gone"), "main")
    shutil.rmtree(state / "gone")
    bench = Bench(state, repository)
    result = await bench.merge(bench.task(), await bench.patch({"calc.py": MENDED}))
    assert result.outcome is MergeOutcome.MERGED
    reverted = await bench.forge.revert(bench.task(), result.commit, "Revert it\n")
    assert reverted.outcome is RevertOutcome.REVERTED
