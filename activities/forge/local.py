"""The local forge: a git repository on this machine, with records of its pull requests beside it.

Git runs as the repository's owner, with the repository's hooks off. Where the base branch is checked out, its work
tree is updated if it is clean, as `receive.denyCurrentBranch=updateInstead` does; the owner's own filters then see the
merged files, as they would after a `git pull`.
"""

import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from activities.forge.pulls import Pull, Pulls
from activities.repository.git import Git, GitError, RepositoryRefused
from activities.repository.locking import lock_file
from activities.repository.patches import BOT_MAIL, BOT_NAME, pack_of
from workflows.models.patch import Patch
from workflows.models.pull_request import MergeOutcome, MergeResult, PullRequest, RevertOutcome, RevertResult
from workflows.models.task import Task

REVERTS = "Journeyman-Reverts"
"""Trailer of a revert commit: the merge that it takes back."""
_MOST_TRIES = 20
_MOST_NAMED = 20
_ZERO = "0" * 40


class DirtyWorkTree(Exception):
    """The base branch is checked out with changes that an update would lose."""


class LocalForge:
    """Implements contract.Forge on a repository's path."""

    def __init__(self, git: Git, locks: Path) -> None:
        locks.mkdir(parents=True, exist_ok=True)
        self._git = git
        self._locks = locks

    async def propose(self, task: Task, patch: Patch, bundle: bytes, title: str, body: str) -> PullRequest:
        """See contract. The branch is the task's own, so it is moved wherever it was."""
        async with self._alone(task) as place:
            await place.run(
                "index-pack", "--stdin", "--fix-thin", "--strict", purpose="pushing the patch", stdin=pack_of(bundle)
            )
            await place.run("update-ref", f"refs/heads/{task.branch}", patch.head, purpose="pushing the branch")
            pull = place.pulls.of_branch(task.branch)
            if pull is None or pull.state == "closed":
                pull = place.pulls.create(branch=task.branch, base=task.base, head=patch.head, title=title, body=body)
            elif pull.state == "open":
                pull = place.pulls.save(pull.model_copy(update={"head": patch.head, "title": title, "body": body}))
        url = f"local:{task.repository.url}#{pull.number}"
        return PullRequest(number=pull.number, url=url, head=task.branch, base=task.base, title=title)

    async def merge(self, task: Task, pull_request: PullRequest, patch: Patch, message: str) -> MergeResult:
        """See contract. Looks first for the merge in base's history, where a crash may have left it."""
        async with self._alone(task) as place:
            pull = place.pulls.of_branch(task.branch)
            tip = await place.tip(task.base)
            if tip is None:
                return MergeResult(
                    outcome=MergeOutcome.REFUSED,
                    detail=f"base branch {task.base!r} is gone; restore it, or reject the task",
                )
            if (done := await place.merge_of(patch, tip)) is not None:
                await place.catch_up_work_tree(task.base, f"{done}^1", done)
                self._note_merge(place, pull, done)
                return MergeResult(outcome=MergeOutcome.MERGED, commit=done, base_commit=tip)
            if pull is None or pull.state != "open":
                return MergeResult(
                    outcome=MergeOutcome.REFUSED, base_commit=tip, detail="the pull request is not open any more"
                )
            if await place.tip(task.branch) != patch.head:
                return MergeResult(
                    outcome=MergeOutcome.REFUSED,
                    base_commit=tip,
                    detail=f"{task.branch} is not at the approved {patch.head[:12]}: somebody pushed to it",
                )
            if tip != patch.base_commit:
                return MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=tip)
            commit = await place.commit(patch.tree, (tip, patch.head), message)
            try:
                moved = await place.move(task.base, tip, commit)
            except DirtyWorkTree as dirty:
                return MergeResult(outcome=MergeOutcome.REFUSED, base_commit=tip, detail=str(dirty))
            if not moved:
                return MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=await place.tip(task.base) or "")
            self._note_merge(place, pull, commit)
            return MergeResult(outcome=MergeOutcome.MERGED, commit=commit, base_commit=commit)

    async def close(self, task: Task, pull_request: PullRequest, reason: str) -> None:
        """See contract."""
        async with self._alone(task) as place:
            pull = place.pulls.of_branch(task.branch)
            if pull is not None and pull.state == "open":
                place.pulls.save(pull.model_copy(update={"state": "closed", "reason": reason[:2000]}))
            await place.run("update-ref", "-d", f"refs/heads/{task.branch}", purpose="deleting the branch")

    async def revert(self, task: Task, merge_commit: str, message: str) -> RevertResult:
        """See contract. Reverting is merging, onto base, the merge's first parent's tree as a child of the merge."""
        async with self._alone(task) as place:
            for _ in range(_MOST_TRIES):
                tip = await place.tip(task.base)
                if tip is None or not await place.contains(tip, merge_commit):
                    detail = f"{merge_commit[:12]} is not on {task.base} any more; base was rewritten or deleted"
                    return RevertResult(outcome=RevertOutcome.REFUSED, detail=detail)
                if done := await place.revert_of(merge_commit, tip):
                    await place.catch_up_work_tree(task.base, f"{done}^1", done)
                    return RevertResult(outcome=RevertOutcome.ALREADY_REVERTED, commit=done)
                undone = await place.commit(f"{merge_commit}^1^{{tree}}", (merge_commit,), message)
                tree, conflicts = await place.merge_trees(tip, undone)
                if conflicts:
                    later = await place.commits_touching(merge_commit, tip, conflicts)
                    detail = f"{len(conflicts)} files were changed again since: revert the later commits first"
                    return RevertResult(
                        outcome=RevertOutcome.CONFLICT, detail=detail, conflicts=conflicts, commits_in_the_way=later
                    )
                commit = await place.commit(tree, (tip,), f"{message.rstrip()}\n\n{REVERTS}: {merge_commit}\n")
                try:
                    if await place.move(task.base, tip, commit):
                        return RevertResult(outcome=RevertOutcome.REVERTED, commit=commit)
                except DirtyWorkTree as dirty:
                    return RevertResult(outcome=RevertOutcome.REFUSED, detail=str(dirty))
        return RevertResult(outcome=RevertOutcome.REFUSED, detail=f"{task.base} moves too fast; try again")

    def pulls(self, url: str) -> list[Pull]:
        """Every pull request of a repository."""
        return Pulls(_git_directory(Path(url))).all()

    def _note_merge(self, place: "_Place", pull: Pull | None, commit: str) -> None:
        if pull is not None and pull.state != "merged":
            place.pulls.save(pull.model_copy(update={"state": "merged", "merge_commit": commit}))

    @contextlib.asynccontextmanager
    async def _alone(self, task: Task) -> AsyncIterator["_Place"]:
        """One action at a time on a repository by this installation; others are held off by compare-and-swap."""
        place = _Place(self._git, Path(task.repository.url))
        async with lock_file(self._locks / f"{place.key}.lock"):
            yield place


class _Place:
    """One repository, as its owner works in it."""

    def __init__(self, git: Git, path: Path) -> None:
        if not path.is_dir():
            raise RepositoryRefused(f"there is no git repository at {path}: was it moved?")
        self._git = git
        self.git_directory = _git_directory(path)
        self._owner = path.stat().st_uid if os.geteuid() == 0 else None
        self.pulls = Pulls(self.git_directory, self._owner)
        stat = self.git_directory.stat()
        self.key = f"{stat.st_dev:x}-{stat.st_ino:x}"

    async def run(
        self,
        *arguments: str,
        purpose: str,
        stdin: bytes | None = None,
        accept: tuple[int, ...] = (0,),
        environment: dict[str, str] | None = None,
    ) -> bytes:
        """Run git here, as the owner."""
        return await self._git.run(
            *arguments,
            purpose=purpose,
            git_dir=self.git_directory,
            stdin=stdin,
            accept=accept,
            uid=self._owner,
            environment=environment,
        )

    async def tip(self, branch: str) -> str | None:
        """The commit a branch is at, or None."""
        listed = await self.run(
            "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", purpose="reading a branch"
        )
        return listed.decode().split()[0] if listed.strip() else None

    async def contains(self, tip: str, commit: str) -> bool:
        """Whether a commit is part of a history."""
        if await self._git.exit_code(
            "cat-file", "-e", f"{commit}^{{commit}}", git_dir=self.git_directory, uid=self._owner
        ):
            return False
        code = await self._git.exit_code(
            "merge-base", "--is-ancestor", commit, tip, git_dir=self.git_directory, uid=self._owner
        )
        return code == 0

    async def merge_of(self, patch: Patch, tip: str) -> str | None:
        """The merge of exactly this head in base's own line of history, if it is there."""
        if not await self.contains(tip, patch.head):
            return None
        lines = await self.run(
            "rev-list",
            "--first-parent",
            "--merges",
            "--parents",
            tip,
            f"^{patch.base_commit}",
            purpose="looking for the merge",
        )
        for line in lines.decode().splitlines():
            commit, *parents = line.split()
            if patch.head in parents[1:]:
                return commit
        return None

    async def revert_of(self, merge_commit: str, tip: str) -> str | None:
        """The commit that took a merge back, if it is there."""
        form = f"--format=%H %(trailers:key={REVERTS},valueonly,separator=%x20)"
        lines = await self.run("log", form, f"{merge_commit}..{tip}", purpose="looking for the revert")
        for line in lines.decode(errors="replace").splitlines():
            commit, *reverted = line.split()
            if merge_commit in reverted:
                return commit
        return None

    async def commit(self, tree: str, parents: tuple[str, ...], message: str) -> str:
        """Make a commit, on no branch yet."""
        resolved = (
            (
                await self.run(
                    "rev-parse", "--verify", tree if "^" in tree else f"{tree}^{{tree}}", purpose="reading a tree"
                )
            )
            .decode()
            .strip()
        )
        identity: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            identity |= {
                f"GIT_{role}_NAME": BOT_NAME,
                f"GIT_{role}_EMAIL": BOT_MAIL,
                f"GIT_{role}_DATE": f"{int(time.time())} +0000",
            }
        arguments = [argument for parent in parents for argument in ("-p", parent)]
        written = await self.run(
            "commit-tree",
            resolved,
            *arguments,
            "-F",
            "-",
            purpose="making a commit",
            stdin=message.encode(),
            environment=identity,
        )
        return written.decode().strip()

    async def merge_trees(self, ours: str, theirs: str) -> tuple[str, tuple[str, ...]]:
        """The merged tree, and the paths in conflict."""
        told = await self.run(
            "merge-tree",
            "--write-tree",
            "--name-only",
            "--no-messages",
            "-z",
            ours,
            theirs,
            purpose="merging",
            accept=(0, 1),
        )
        fields = [
            os.fsdecode(field).encode("utf-8", "backslashreplace").decode() for field in told.split(b"\0") if field
        ]
        return fields[0], tuple(fields[1 : _MOST_NAMED + 1])

    async def commits_touching(self, since: str, tip: str, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Later commits that touched any of these paths, newest first."""
        lines = await self.run(
            "log",
            f"--max-count={_MOST_NAMED}",
            "--no-merges",
            "--format=%h %s",
            f"{since}..{tip}",
            "--",
            *paths,
            purpose="looking for later commits",
        )
        return tuple(lines.decode(errors="replace").splitlines())

    async def move(self, branch: str, old: str, new: str) -> bool:
        """Move a branch from exactly `old`; False if it has moved. Raises DirtyWorkTree, with nothing changed."""
        tree = await self._checked_out(branch)
        if tree is not None:
            await self._refuse_dirty(tree, old, new)
        try:
            await self.run("update-ref", f"refs/heads/{branch}", new, old, purpose="moving the branch")
        except GitError:
            if await self.tip(branch) == old:
                raise
            return False
        if tree is not None:
            await self._update(tree, old, new)
        return True

    async def catch_up_work_tree(self, branch: str, old: str, new: str) -> None:
        """Finish an update that died between moving the branch and updating the work tree."""
        tree = await self._checked_out(branch)
        if tree is None or await self.tip(branch) != new:
            return
        stale = await self._git.exit_code(
            *self._in(tree),
            "diff-index",
            "--cached",
            "--quiet",
            old,
            git_dir=await self._index_of(tree),
            uid=self._owner,
        )
        if stale == 0:
            with contextlib.suppress(GitError):
                await self._update(tree, old, new)

    async def _checked_out(self, branch: str) -> Path | None:
        listed = (await self.run("worktree", "list", "--porcelain", "-z", purpose="looking for work trees")).split(
            b"\0\0"
        )
        for record in listed:
            fields = record.split(b"\0")
            if b"bare" in fields or f"branch refs/heads/{branch}".encode() not in fields:
                continue
            return Path(os.fsdecode(fields[0].removeprefix(b"worktree ")))
        return None

    async def _refuse_dirty(self, tree: Path, old: str, new: str) -> None:
        directory = await self._index_of(tree)
        await self._git.exit_code(
            *self._in(tree), "update-index", "-q", "--refresh", git_dir=directory, uid=self._owner
        )
        dirty = await self._git.exit_code(
            *self._in(tree), "diff-index", "--quiet", old, git_dir=directory, uid=self._owner
        )
        lost = dirty or await self._git.exit_code(
            *self._in(tree), "read-tree", "-n", "-m", "-u", old, new, git_dir=directory, uid=self._owner
        )
        if lost:
            raise DirtyWorkTree(
                f"the base branch is checked out in {tree} with changes that would be lost: "
                "commit, stash or move them, then try again"
            )

    async def _update(self, tree: Path, old: str, new: str) -> None:
        await self._git.run(
            *(*self._in(tree), "read-tree", "-m", "-u", old, new),
            purpose=f"updating the work tree in {tree}",
            git_dir=await self._index_of(tree),
            uid=self._owner,
        )

    async def _index_of(self, tree: Path) -> Path:
        """The git directory whose index belongs to a work tree: a linked one has its own."""
        told = await self._git.line(
            "-C", str(tree), "rev-parse", "--absolute-git-dir", purpose="finding the index", uid=self._owner
        )
        return Path(told)

    def _in(self, tree: Path) -> tuple[str, ...]:
        return ("--work-tree", str(tree), "-C", str(tree))


def _git_directory(path: Path) -> Path:
    dotted = path / ".git"
    if dotted.is_dir():
        return dotted
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        return path
    raise RepositoryRefused(
        f"{path} is no git repository: give the directory that has .git in it, or a bare repository"
    )
