"""Whose a repository on this machine is: git runs there as that user, and nowhere else.

A repository's configuration can name programs that git runs. So it must be the word of the user git runs as, and of
nobody else: the rule is git's own `safe.directory`, kept also for root, and for each part that has a say.
"""

import os
import stat
from pathlib import Path

from activities.repository.git import Git, RepositoryRefused

_PARTS = (
    ".",
    "config",
    "config.worktree",
    "HEAD",
    "objects",
    "objects/info",
    "info",
    "refs",
    "worktrees",
    "packed-refs",
)
"""Of a git directory, as far as they are there."""
_ELSEWHERE = r"^(extensions\.partialclone|remote\..*\.(promisor|partialclonefilter))$"


def git_directory(path: Path) -> Path:
    """Where the git directory of a work tree or bare repository is. Raises RepositoryRefused."""
    dotted = path / ".git"
    if dotted.is_dir():
        return dotted
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        return path
    raise RepositoryRefused(
        f"{path} is no git repository: give the directory that has .git in it, or a bare repository"
    )


def owner_of(path: Path) -> int:
    """The user a repository belongs to, with every part that git takes orders from.

    Raises RepositoryRefused if it is several users' or anybody's to write, or, unless this is root, somebody else's.
    """
    if not path.is_dir():
        raise RepositoryRefused(f"there is no git repository at {path}: was it moved?")
    directory = git_directory(path)
    owner = directory.lstat().st_uid
    for part in (path, *(directory / name for name in _PARTS)):
        try:
            found = part.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(found.st_mode) and part != path:
            raise RepositoryRefused(f"{part} is a link; put what it leads to in its place")
        # What root has written there is no worse than what the owner has.
        if found.st_uid not in {owner, 0} or (found.st_mode & stat.S_IWOTH and not stat.S_ISLNK(found.st_mode)):
            raise RepositoryRefused(
                f"{part} may be written by others than the owner of {directory}; git would take their orders. Give the "
                f"repository to one user (chown -R, chmod -R o-w)"
            )
    _refuse_replaceable(path.resolve(), owner)
    if os.geteuid() not in {0, owner}:
        raise RepositoryRefused(
            f"{path} belongs to another user, whose configuration git would obey; use a clone of your own"
        )
    return owner


def _refuse_replaceable(path: Path, owner: int) -> None:
    """Whoever may rename a folder on the way to a repository can put another one in its place, also after this look."""
    trusted = {owner, 0} | _users_outside()
    for folder in path.parents:
        found = folder.stat()
        anybody = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
        if found.st_uid not in trusted or anybody:
            raise RepositoryRefused(
                f"{path} could be replaced by others, who can write {folder}; move it to a folder of its owner's"
            )


def _users_outside() -> set[int]:
    """In a container with users of its own, the one id that stands for all users outside, who own what is mounted."""
    if Path("/proc/self/uid_map").read_text().split() == ["0", "0", str(2**32 - 1)]:
        return set()
    return {int(Path("/proc/sys/kernel/overflowuid").read_text())}


async def refuse_partial(git: Git, path: Path, owner: int) -> None:
    """Raises RepositoryRefused for a partial clone: reading it makes git fetch, by whatever means it configures."""
    code = await git.exit_code("config", "--get-regexp", _ELSEWHERE, git_dir=git_directory(path), uid=owner)
    if code == 0:
        raise RepositoryRefused(
            f"{path} is a partial clone, which has some of its objects elsewhere; use a full one "
            "(git fetch --refetch --no-filter, then unset extensions.partialClone and the remote's promisor)"
        )
