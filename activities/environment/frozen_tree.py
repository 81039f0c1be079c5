"""Makes a directory that hostile code has filled into one that nothing changes any more, and hashes it."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from activities.removal import open_up


@dataclass(frozen=True)
class FrozenTree:
    """What a tree holds."""

    sha256: str
    """Over every path with its kind, whether it can be executed, and its content."""
    files: int
    size: int
    """Bytes in regular files."""


def freeze(root: Path) -> FrozenTree:
    """Take every entry over, drop every right to write or to become somebody else, and hash what is left.

    Runs when no process of the sandbox lives, so nothing moves underfoot; still no link is followed. Sockets, pipes
    and devices are removed: they are no part of an environment. Raises OSError, and RecursionError if directories are
    nested too deep.
    """
    open_up(root)
    digest = hashlib.sha256()
    files = size = 0
    top = os.fsencode(root)
    for directory, names, others, descriptor in os.fwalk(top, onerror=_raise, follow_symlinks=False):
        names.sort()
        where = os.path.relpath(directory, top)
        _add(digest, b"directory", where)
        for name in sorted([*names, *others]):
            kind = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            path = os.path.join(where, name)  # noqa: PTH118  bytes, since names need not be text
            if stat.S_ISLNK(kind.st_mode):
                if os.geteuid() == 0:
                    os.chown(name, 0, 0, dir_fd=descriptor, follow_symlinks=False)
                _add(digest, b"link", path, os.readlink(name, dir_fd=descriptor))
            elif stat.S_ISREG(kind.st_mode):
                mode = 0o555 if kind.st_mode & 0o111 else 0o444
                files, size = files + 1, size + kind.st_size
                _add(digest, b"program" if mode == 0o555 else b"file", path, _freeze_file(name, descriptor, mode))
            elif not stat.S_ISDIR(kind.st_mode):
                os.unlink(name, dir_fd=descriptor)
        _take_over(descriptor, 0o555)
    return FrozenTree(sha256=digest.hexdigest(), files=files, size=size)


def _raise(error: OSError) -> None:
    """What could not be looked at would be neither frozen nor hashed."""
    raise error


def _freeze_file(name: bytes, directory: int, mode: int) -> bytes:
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory), "rb") as file:
        _take_over(file.fileno(), mode)
        return hashlib.file_digest(file, "sha256").digest()


def _take_over(descriptor: int, mode: int) -> None:
    if os.geteuid() == 0:
        # Before the mode, since it clears set-user-id bits; the mode then leaves no right to write to anybody.
        os.fchown(descriptor, 0, 0)
    os.fchmod(descriptor, mode)


def _add(digest: "hashlib._Hash", *parts: bytes) -> None:
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
