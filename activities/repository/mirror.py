"""Mirrors: what this host has of each repository, so that a task starts without a clone.

For each repository there are two bare ones. The mirror has what the forge has, and sandboxes may read its objects. The
vault has what agents made, for the host alone: what one task's agent wrote is nothing for another's to read.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from pathlib import Path

from activities.last_use import forget_use, last_used, mark_used
from activities.removal import remove
from activities.repository.git import Git, GitError, RepositoryRefused, group_of
from activities.repository.locking import lock_file
from activities.repository.ownership import git_directory, owner_of, refuse_partial

TASK_BRANCHES = "refs/heads/journeyman/"
PROPOSED = "refs/journeyman/proposed"
"""Set in a repository once a patch was pushed to it: what was rejected stays among its objects, on no branch."""
_MOST_BRANCHES_NAMED = 8


Credentials = Callable[[str], Awaitable[Mapping[str, str]]]
Ahead = Callable[[str, str, str], Awaitable[bytes | None]]
"""Reads a file by a repository's address, a branch and a path; None if there is none, or it can't tell."""


async def _none(_: str) -> Mapping[str, str]:
    return {}


async def _nothing(_: str, __: str, ___: str) -> bytes | None:
    return None


class Mirror:
    """One repository on this host."""

    def __init__(self, url: str, path: Path, vault: Path) -> None:
        self.url = url
        self.path = path
        self.vault = vault

    @property
    def objects(self) -> Path:
        """The forge's objects; a sandbox may have them read-only."""
        return self.path / "objects"


class Mirrors:
    """All repositories on this host."""

    def __init__(
        self, directory: Path, git: Git, credentials: Credentials = _none, elsewhere: Ahead = _nothing
    ) -> None:
        """`credentials`: variables by which git may read an address; asked for each time. `elsewhere`: reads single
        files of repositories that are not on this machine.
        """
        self._credentials = credentials
        self._elsewhere = elsewhere
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._directory = directory
        self._git = git

    def of(self, url: str) -> Mirror:
        """The mirror of a repository, as it is."""
        name = hashlib.sha256(url.encode()).hexdigest()[:20]
        return Mirror(url, self._directory / f"{name}.git", self._directory / f"{name}.vault")

    async def refresh(self, url: str) -> Mirror:
        """Bring the mirror up to date. Raises RepositoryRefused, or GitError if trying again may help."""
        _refuse_odd_address(url)
        mirror = self.of(url)
        async with self._alone(mirror):
            if not await self._usable(mirror):
                await self._make(mirror)
            try:
                await self._fetch(mirror)
            except GitError as error:
                raise _explained(url, error) from error
            mark_used(mirror.path)
        return mirror

    async def remove_unused(self, since: float, *, keep: Collection[str]) -> tuple[str, ...]:
        """Remove what nobody used since then (seconds since the epoch) but the repositories to keep, and name it."""
        kept = {self.of(url).path.name for url in keep}
        removed = []
        for path in sorted(self._directory.glob("*.git")):
            mirror = Mirror("", path, path.with_suffix(".vault"))
            if path.name in kept or last_used(path) >= since:
                continue
            async with self._alone(mirror):
                # Somebody may have taken it meanwhile.
                if last_used(path) < since:
                    for each in (mirror.vault, mirror.path):
                        await asyncio.to_thread(remove, each)
                    forget_use(path)
                    removed.append(path.name)
        return tuple(removed)

    async def resolve(self, mirror: Mirror, branch: str) -> str:
        """The commit a branch is at. Raises RepositoryRefused, naming the branches there are."""
        name = f"refs/heads/{branch}"
        listed = await self._git.line(
            "for-each-ref", "--format=%(refname)", "refs/heads", purpose="listing branches", git_dir=mirror.path
        )
        branches = listed.splitlines()
        if not branches:
            raise RepositoryRefused(f"{mirror.url} has no commit yet: push a first one, then ask again")
        if name not in branches:
            raise _no_branch(mirror.url, branch, [each.removeprefix("refs/heads/") for each in branches])
        return await self._git.line(
            "rev-parse", "--verify", f"{name}^{{commit}}", purpose="reading the branch", git_dir=mirror.path
        )

    async def read(self, mirror: Mirror, commit: str, path: str) -> bytes | None:
        """A file's bytes at a commit, or None if there is no such regular file."""
        return await self._read(mirror.path, commit, path)

    async def has(self, mirror: Mirror, commit: str, path: str) -> bool:
        """Whether there is anything at a path of a commit, such as a symbolic link, which is never followed."""
        found = await self._git.run(
            *("--literal-pathspecs", "ls-tree", "-z", commit, "--", path),
            purpose="reading a tree",
            git_dir=mirror.path,
        )
        return bool(found)

    async def paths(self, mirror: Mirror, commit: str) -> tuple[str, ...]:
        """Every path of a commit's tree; names that are not UTF-8 keep their bytes as surrogates."""
        listed = await self._git.run(
            "ls-tree", "-r", "-z", "--name-only", commit, purpose="listing files", git_dir=mirror.path
        )
        return tuple(os.fsdecode(name) for name in listed.split(b"\0") if name)

    async def branch(self, url: str, wanted: str = "") -> str:
        """The branch that was asked for, else the one that HEAD names, without a mirror. Raises RepositoryRefused."""
        _refuse_odd_address(url)
        try:
            reader = await self._reader(url)
            listed = await self._git.run(
                *("ls-remote", "--symref", *reader, "--", url, "HEAD", "refs/heads/*"),
                purpose="reading the repository",
                environment=await self._credentials(url),
            )
        except GitError as error:
            raise _explained(url, error) from error
        fields = [line.split("\t") for line in listed.decode(errors="replace").splitlines()]
        branches = [name.removeprefix("refs/heads/") for _, name in fields if name.startswith("refs/heads/")]
        default = next((first.removeprefix("ref: refs/heads/") for first, _ in fields if first.startswith("ref:")), "")
        if not wanted and not default:
            raise RepositoryRefused(f"{url} has no commit on its default branch: push a first one, or name a --base")
        if wanted and wanted not in branches:
            raise _no_branch(url, wanted, branches)
        return wanted or default

    async def read_ahead(self, url: str, branch: str, path: str) -> bytes | None:
        """A file on a branch, without a mirror; None if there is none, or it is not known how to read it there.

        Raises RepositoryRefused, and whatever a forge's own reader raises.
        """
        local = Path(url)
        if not local.is_dir():
            return await self._elsewhere(url, branch, path)
        owner = owner_of(local)
        await refuse_partial(self._git, local, owner)
        return await self._read(git_directory(local), f"refs/heads/{branch}", path, owner)

    async def _read(self, git_dir: Path, revision: str, path: str, uid: int | None = None) -> bytes | None:
        entry = await self._git.run(
            "ls-tree", "-z", revision, "--", path, purpose="reading a tree", git_dir=git_dir, uid=uid
        )
        kind, _, name = entry.rstrip(b"\0").partition(b"\t")
        if not kind.startswith((b"100644 blob", b"100755 blob")) or name != path.encode():
            return None
        return await self._git.run(
            "cat-file", "blob", kind.split()[2].decode(), purpose="reading a file", git_dir=git_dir, uid=uid
        )

    @contextlib.asynccontextmanager
    async def _alone(self, mirror: Mirror) -> AsyncIterator[None]:
        async with lock_file(mirror.path.with_suffix(".lock")):
            yield

    async def _usable(self, mirror: Mirror) -> bool:
        if not mirror.path.is_dir() or not mirror.vault.is_dir():
            return False
        return await self._git.exit_code("rev-parse", "--is-bare-repository", git_dir=mirror.path) == 0

    async def _make(self, mirror: Mirror) -> None:
        draft = mirror.path.with_suffix(".making")
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        if await self._may_copy(mirror.url):
            # Copies object files instead of packing them anew: seconds against half a minute for a large repository.
            try:
                await self._git.run(
                    *("clone", "--quiet", "--bare", "--no-hardlinks", "--no-tags", "--", mirror.url, str(draft)),
                    purpose=f"copying {mirror.url}",
                )
            except GitError as error:
                await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
                raise _explained(mirror.url, error) from error
        else:
            await self._git.run("init", "--quiet", "--bare", str(draft), purpose="making a mirror")
        await asyncio.to_thread(shutil.rmtree, mirror.path, ignore_errors=True)
        draft.rename(mirror.path)
        if not mirror.vault.is_dir():
            await self._git.run("init", "--quiet", "--bare", str(mirror.vault), purpose="making a vault")
        (mirror.vault / "objects" / "info").mkdir(exist_ok=True)
        (mirror.vault / "objects" / "info" / "alternates").write_text(f"{mirror.objects}\n")

    async def _may_copy(self, url: str) -> bool:
        """Whether object files may be copied as they are: this user's own, where no task's work ever was."""
        path = Path(url)
        if not path.is_dir() or owner_of(path) != os.geteuid():
            return False
        branches = await self._git.run(
            "for-each-ref",
            "--count=1",
            TASK_BRANCHES,
            PROPOSED,
            purpose="looking for tasks' branches",
            git_dir=git_directory(path),
        )
        return not branches.strip()

    async def _reader(self, url: str) -> tuple[str, ...]:
        """Options by which git reads a repository on this machine as its owner. Raises RepositoryRefused."""
        path = Path(url)
        if not path.is_dir():
            return ()
        owner = owner_of(path)
        await refuse_partial(self._git, path, owner)
        if owner == os.geteuid():
            return ()
        return (f"--upload-pack=setpriv --reuid={owner} --regid={group_of(owner)} --clear-groups git-upload-pack",)

    async def _fetch(self, mirror: Mirror) -> None:
        await self._git.run(
            *("fetch", "--quiet", "--prune", "--no-tags", "--force", "--no-write-fetch-head"),
            *await self._reader(mirror.url),
            # What one task's agent wrote is not for another task's to read, until somebody has merged it.
            *("--", mirror.url, "+refs/heads/*:refs/heads/*", f"^{TASK_BRANCHES}*"),
            purpose=f"fetching {mirror.url}",
            git_dir=mirror.path,
            environment=await self._credentials(mirror.url),
        )


def _no_branch(url: str, wanted: str, branches: list[str]) -> RepositoryRefused:
    others = ", ".join(branches[:_MOST_BRANCHES_NAMED]) or "none"
    return RepositoryRefused(f"{url} has no branch {wanted!r}; it has {others}")


def _refuse_odd_address(url: str) -> None:
    if url.startswith("-") or "::" in url or any(not c.isprintable() for c in url):
        raise RepositoryRefused(f"{url!r} is no address of a repository; give a path, https:// or ssh://")


def _explained(url: str, error: GitError) -> Exception:
    """A repository that is not there will not appear by trying again; one that does not answer may."""
    if Path(url).is_absolute() and ("does not exist" in error.said or "does not appear to be a git" in error.said):
        return RepositoryRefused(f"there is no git repository at {url}: check the path, or run `git init` there")
    return error
