"""Makes a directory that hostile code has filled into one that nothing changes any more, and hashes it."""

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path


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
    and devices are removed: they are no part of an environment.
    """
    digest = hashlib.sha256()
    files = size = 0
    top = os.fsencode(root)
    for directory, names, others, descriptor in os.fwalk(top, follow_symlinks=False):
        names.sort()
        where = os.path.relpath(directory, top)
        _take_over(descriptor, 0o555)
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
    return FrozenTree(sha256=digest.hexdigest(), files=files, size=size)


def _freeze_file(name: bytes, directory: int, mode: int) -> bytes:
    if os.geteuid() != 0:
        # Its owner may have taken the right to read it from himself.
        os.chmod(name, mode, dir_fd=directory)
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


def remove(root: Path) -> None:
    """Remove a tree, whatever rights its entries have. Missing is fine."""
    if not root.is_dir() or root.is_symlink():
        return
    if os.geteuid() != 0:
        _make_writable(os.fsencode(root))
    shutil.rmtree(root)


def _make_writable(directory: bytes) -> None:
    """From the top down, since a directory must be open before what is below it can be seen."""
    os.chmod(directory, 0o700, follow_symlinks=True)  # noqa: PTH101  bytes
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _make_writable(entry.path)
