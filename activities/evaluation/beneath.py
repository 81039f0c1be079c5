"""Reading files that code under test left behind, without being led out of its checkout.

Every step of a path is opened relative to the one before and refuses links, so that neither a link at the end nor one
on the way leads anywhere else; see openat2(2), RESOLVE_BENEATH, which Python 3.11 can't ask for.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

MOST_ENTRIES = 100_000
MOST_DEPTH = 40
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a FIFO would wait for a writer that never comes.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotReadable(Exception):
    """A file is not a plain one beneath the checkout, or too large; the message says which and why."""


def read_beneath(root: Path, path: str, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes. Raises NotReadable."""
    parts = _parts(path)
    try:
        with _folder_of(root, parts) as folder:
            descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotReadable(f"{path}: is not a regular file")
            data = _read(descriptor, limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise NotReadable(f"{path}: {error.strerror}, or a link on the way") from error
    if len(data) > limit:
        raise NotReadable(f"{path}: is larger than {limit} bytes")
    return data


def unlink_beneath(root: Path, path: str) -> None:
    """Remove a file or link, not what it leads to. Nothing there is fine; a folder stays."""
    parts = _parts(path)
    with suppress(OSError), _folder_of(root, parts) as folder:
        os.unlink(parts[-1], dir_fd=folder)


def files_beneath(root: Path, *, most_entries: int = MOST_ENTRIES) -> Iterator[str]:
    """Paths of the files below, links not followed. Raises NotReadable where there are too many to look at."""
    left = most_entries
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with _folder_of(root, (*PurePosixPath(folder).parts, "x")) as descriptor, os.scandir(descriptor) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        raise NotReadable(f"there are more than {most_entries} files to look through")
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        yield path
                    elif path.count("/") < MOST_DEPTH and path != ".git":
                        folders.append(path)
        except OSError:
            continue  # not readable by us, so no report that we could read is in it


def _parts(path: str) -> tuple[str, ...]:
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path.startswith("/") or "\0" in path:
        raise NotReadable(f"{path!r}: is not a path inside the checkout")
    return parts


def _read(descriptor: int, most: int) -> bytes:
    data = bytearray()
    while len(data) < most and (more := os.read(descriptor, min(most - len(data), 1024 * 1024))):
        data += more
    return bytes(data)


@contextmanager
def _folder_of(root: Path, parts: tuple[str, ...]) -> Iterator[int]:
    descriptor = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)
