"""What a set-up gets from the repository: its lock files, and a copy of base to work in."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

_LOCK_FILE_BYTES = 64 * 1024 * 1024


class SetupFailed(Exception):
    """The environment could not be made; the message holds the end of what the commands printed, and what to do."""


def read_lock_file(source: Path, name: str) -> bytes:
    """A lock file's content. Raises SetupFailed unless it is a file of the repository's own."""
    remedy = "commit it on the base branch, or correct `lock_files` in .journeyman/team.toml there"
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise SetupFailed(f"refused the lock file {name!r}: it must be a path inside the repository; {remedy}")
    resolved = (source / path).resolve()
    if not resolved.is_relative_to(source.resolve()):
        raise SetupFailed(f"refused the lock file {name!r}: it is a link that leads out of the repository; {remedy}")
    if not resolved.is_file():
        raise SetupFailed(f"the lock file {name!r} that the set-up names is not in the repository: {remedy}")
    if resolved.stat().st_size > _LOCK_FILE_BYTES:
        raise SetupFailed(f"refused the lock file {name!r}: it is larger than {_LOCK_FILE_BYTES} bytes; {remedy}")
    return resolved.read_bytes()


def copy_checkout(building: Path, source: Path, uid: int | None) -> None:
    """A copy of the checkout to work in and an empty tree to fill, both the sandbox's own."""
    building.mkdir()
    building.chmod(0o711)
    # Links stay links: what they lead to is looked up inside.
    shutil.copytree(source, building / "work", symlinks=True, ignore=_without_git(source))
    (building / "tree").mkdir()
    for top in (building / "work", building / "tree"):
        top.chmod(0o700)
        if uid is not None:
            for _, names, files, descriptor in os.fwalk(top, follow_symlinks=False):
                for name in (*names, *files):
                    os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)
            os.chown(top, uid, uid)


def _without_git(source: Path) -> Callable[[str, list[str]], list[str]]:
    return lambda directory, names: [name for name in names if name == ".git" and Path(directory) == source]
