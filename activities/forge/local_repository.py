"""One git repository on this machine, worked in as its owner would, with its hooks off."""

import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path

from activities.repository.git import Git, GitError
from activities.repository.ownership import git_directory, owner_of, refuse_partial
from activities.repository.patches import BOT_MAIL, BOT_NAME
from workflows.models.patch import Patch

NOTES = "refs/notes/journeyman"
"""Notes about merges; see activities.forge.notes."""
KEPT = "refs/journeyman/kept/"
"""Below it, by branch: commits that somebody pushed to a task's branch before it was moved or deleted."""
_MOST_NAMED = 20


class DirtyWorkTree(Exception):
    """The base branch is checked out with changes that an update would lose."""


class LocalRepository:
    """One repository, as its owner works in it."""

    def __init__(self, git: Git, path: Path) -> None:
        """Raises RepositoryRefused if there is none, or one that is not one user's alone."""
        self._git = git
        self._owner = owner_of(path)
        self.path = path
        self.git_directory = git_directory(path)
        found = self.git_directory.stat()
        self.key = f"{found.st_dev:x}-{found.st_ino:x}"
        """The same by whatever path it is reached."""

    async def refuse_partial(self) -> None:
        """Raises RepositoryRefused if some of its objects are elsewhere."""
        await refuse_partial(self._git, self.path, self._owner)

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
        """Whether a commit is part of a history; one that is not here is part of none."""
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

    async def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        return (await self.run("rev-parse", f"{commit}^{{tree}}", purpose="reading a tree")).decode().strip()

    async def move_own(self, branch: str, ours: Collection[str], new: str = "") -> str:
        """Move a branch that is this installation's, or delete it. Returns where it was if somebody pushed there.

        `ours`: commits that were put there before. What is none of them is kept below `KEPT` first, since a branch of a
        bare repository has no other memory. Raises GitError if it moves meanwhile.
        """
        at = await self.tip(branch)
        theirs = at if at is not None and at not in {*ours, new} else ""
        if theirs:
            await self.run("update-ref", f"{KEPT}{branch}/{theirs}", theirs, purpose="keeping what somebody pushed")
        ref = f"refs/heads/{branch}"
        if new:
            await self.run("update-ref", ref, new, at or "0" * len(new), purpose="moving the task's branch")
        elif at is not None:
            await self.run("update-ref", "-d", ref, at, purpose="deleting the task's branch")
        return theirs

    async def with_trailer(self, message: str, name: str, value: str) -> str:
        """A commit message with one more trailer, in the block of those that it has."""
        trailer = f"--trailer={name}: {value}"
        told = await self.run(
            "interpret-trailers", "--if-exists=add", trailer, purpose="adding a trailer", stdin=message.encode()
        )
        return told.decode()

    async def annotate(self, reference: str, commits: tuple[str, ...], text: str) -> None:
        """Have notes of this name tell this about commits, in place of what they told before."""
        for commit in commits:
            await self.run(
                *("notes", f"--ref={reference}", "add", "-f", "-F", "-", commit),
                purpose="writing a note",
                stdin=text.encode(),
                environment=_identity(int(time.time())),
            )

    async def commit(self, tree: str, parents: tuple[str, ...], message: str, *, when: int | None = None) -> str:
        """Make a commit, on no branch yet. `when`, unix seconds, makes the same again the same commit."""
        identity = _identity(int(time.time()) if when is None else when)
        arguments = [argument for parent in parents for argument in ("-p", parent)]
        # Not what is only tried; and another user, as whom git runs in his repository, can't read our key.
        sign = when is None and self._owner == os.geteuid()
        written = await self.run(
            *self._git.commit_tree(tree, *arguments, "-F", "-", sign=sign),
            purpose="making a commit",
            stdin=message.encode(),
            environment=identity,
        )
        return written.decode().strip()

    async def undo(self, merge_commit: str, tip: str) -> tuple[str, tuple[str, ...]]:
        """A history's tree without what a merge brought, and the paths in conflict, which have markers in it then.

        Reverting is merging, onto the tip, the merge's first parent's tree as a child of the merge.
        """
        undone = await self.commit(f"{merge_commit}^1^{{tree}}", (merge_commit,), "Undo\n", when=0)
        return await self.merge_trees(tip, undone)

    async def is_onto(self, commit: str, parent: str) -> bool:
        """Whether a commit was made directly onto another."""
        told = await self.run("rev-parse", f"{commit}^@", purpose="reading a commit's parents")
        return parent in told.decode().split()

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
        """Later commits that touched any of these paths, newest first, each as `sha author: subject`."""
        lines = await self.run(
            "log",
            f"--max-count={_MOST_NAMED}",
            "--no-merges",
            "--format=%h %an: %s",
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

    async def place(self, branch: str, old: str | None, new: str) -> bool:
        """Make a branch, or move it from exactly `old`; False if it is elsewhere or somebody works in its tree."""
        try:
            if old is not None:
                return await self.move(branch, old, new)
            # No object has this name: git makes the branch only if there is none.
            await self.run("update-ref", f"refs/heads/{branch}", new, "0" * len(new), purpose="making a branch")
        except DirtyWorkTree:
            return False
        return True

    async def catch_up_work_tree(self, branch: str, old: str, new: str) -> None:
        """Finish an update that died between moving the branch and updating the work tree."""
        tree = await self._checked_out(branch)
        if tree is None or await self.tip(branch) != new:
            return
        # What is staged of other files is the owner's, and stays.
        brought = await self.changed(old, new)
        staged = await self._names("diff-index", "--cached", "--no-renames", old, directory=await self._index_of(tree))
        if not brought & staged:
            with contextlib.suppress(GitError):
                await self._update(tree, old, new)

    async def changed(self, old: str, new: str) -> frozenset[bytes]:
        """Paths that differ between two commits."""
        return await self._names("diff-tree", "-r", "--no-renames", old, new, directory=self.git_directory)

    async def uncommitted(self, branch: str) -> frozenset[bytes]:
        """Paths whose changes nobody has committed where a branch is checked out; empty where it is not."""
        tree = await self._checked_out(branch)
        if tree is None:
            return frozenset()
        diff = ("diff", "--no-renames", "--no-ext-diff", "--no-textconv", branch)
        return await self._names(*self._in(tree), *diff, directory=await self._index_of(tree))

    async def _names(self, *diff: str, directory: Path) -> frozenset[bytes]:
        told = await self._git.run(
            *diff,
            "--name-only",
            "-z",
            purpose="comparing trees",
            git_dir=directory,
            uid=self._owner,
            # Who looks is in nobody's way who works there.
            environment={"GIT_OPTIONAL_LOCKS": "0"},
        )
        return frozenset(name for name in told.split(b"\0") if name)

    async def _checked_out(self, branch: str) -> Path | None:
        listed = (await self.run("worktree", "list", "--porcelain", "-z", purpose="looking for work trees")).split(
            b"\0\0"
        )
        for record in listed:
            fields = record.split(b"\0")
            if b"bare" in fields or f"branch refs/heads/{branch}".encode() not in fields:
                continue
            # Git still lists a linked work tree whose directory somebody has removed.
            if any(field.split(b" ")[0] == b"prunable" for field in fields):
                continue
            return Path(os.fsdecode(fields[0].removeprefix(b"worktree ")))
        return None

    async def _refuse_dirty(self, tree: Path, old: str, new: str) -> None:
        """As `git pull` does: changes to other files than those that come are nobody's matter."""
        directory = await self._refreshed(tree)
        try:
            await self._git.run(
                *(*self._in(tree), "read-tree", "-n", "-m", "-u", old, new),
                purpose="trying to update the work tree",
                git_dir=directory,
                uid=self._owner,
            )
        except GitError as error:
            raise DirtyWorkTree(
                f"the base branch is checked out in {tree} with changes that would be lost ({error.said[-300:]}): "
                "commit, stash or move them, then try again"
            ) from error

    async def _refreshed(self, tree: Path) -> Path:
        """The git directory of a work tree, with what its index knows of files brought up to date."""
        directory = await self._index_of(tree)
        await self._git.exit_code(
            *self._in(tree), "update-index", "-q", "--refresh", git_dir=directory, uid=self._owner
        )
        return directory

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


def _identity(when: int) -> dict[str, str]:
    """Who makes commits here, at a time in unix seconds."""
    found: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        found |= {
            f"GIT_{role}_NAME": BOT_NAME,
            f"GIT_{role}_EMAIL": BOT_MAIL,
            f"GIT_{role}_DATE": f"@{when} +0000",
        }
    return found
