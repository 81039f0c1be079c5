"""A copy of a directory that hostile code writes to, brought up to date while that code stands still.

What changed is told by inode, size and times, so that little has to be read in the moment for which everything stands
still: a first pass copies while it runs, a second only what changed since. Directories are opened without following
links and by descriptor, and only what is inside is ever opened: a tree that is changed underfoot leads nowhere else.
"""

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from activities.removal import remove

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 200
_PIECE = 1024 * 1024
_CLOCK_TICK = 0.02
"""Seconds within which two changes of a file may have the same time."""

_Stamp = tuple[int, ...]


class TooMuch(Exception):
    """The directory is larger than is copied, or can't be read; the message says which."""


class StillCopy:
    """One directory's copy. `skip`: names at its top that are left out."""

    def __init__(
        self, source: Path, target: Path, *, uid: int | None, most_bytes: int, most_files: int, skip: str = ""
    ) -> None:
        """`uid`: whom the copy belongs to, where that is another than this process."""
        self._source, self._target, self._uid, self._skip = source, target, uid, skip
        self._most_bytes, self._most_files = most_bytes, most_files
        self._known: dict[bytes, _Stamp] = {}
        remove(target)
        target.mkdir(mode=0o700, parents=True)
        self._own(target)

    def refresh(self) -> bool:
        """Bring the copy up to date. Says whether anything had changed. Raises TooMuch."""
        found: dict[bytes, _Stamp] = {}
        changed = False
        total = 0
        try:
            root = os.open(self._source, _OPEN_DIRECTORY)
        except OSError as error:
            raise TooMuch(f"{self._source.name} can't be opened: {error.strerror}") from error
        try:
            for path, name, status, directory in self._entries(root):
                total += status.st_size
                if len(found) >= self._most_files or total > self._most_bytes:
                    raise TooMuch(f"it has more than {self._most_files} files or {self._most_bytes} bytes")
                stamp = _stamp(status)
                if self._known.get(path) != stamp:
                    changed = True
                    if not self._copy(path, name, status, directory):
                        continue
                # What changed a moment ago may change again without any of this telling.
                fresh = time.time() - max(status.st_ctime, status.st_mtime) < _CLOCK_TICK
                found[path] = () if fresh and stat.S_ISREG(status.st_mode) else stamp
        finally:
            os.close(root)
        for name in sorted(self._known.keys() - found.keys(), reverse=True):
            changed = True
            self._discard(self._path(name))
        self._known = found
        return changed

    def _entries(self, root: int) -> Iterator[tuple[bytes, bytes, os.stat_result, int]]:
        """Path from the top, name, status, and the open directory that holds it; directories before what is in them."""
        above: list[tuple[bytes, int, Iterator[bytes]]] = [(b"", os.dup(root), _names(root, self._skip))]
        try:
            while above:
                path, directory, names = above[-1]
                name = next(names, None)
                if name is None:
                    os.close(above.pop()[1])
                    continue
                inner = path + b"/" + name if path else name
                try:
                    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                except OSError:
                    continue
                if not any(is_kind(status.st_mode) for is_kind in (stat.S_ISREG, stat.S_ISLNK, stat.S_ISDIR)):
                    continue
                yield inner, name, status, directory
                if stat.S_ISDIR(status.st_mode):
                    if len(above) >= _DEEPEST:
                        raise TooMuch(f"it is nested more than {_DEEPEST} deep")
                    with contextlib.suppress(OSError):
                        opened = os.open(name, _OPEN_DIRECTORY, dir_fd=directory)
                        above.append((inner, opened, _names(opened)))
        finally:
            for _, directory, _ in above:
                os.close(directory)

    def _copy(self, path: bytes, name: bytes, status: os.stat_result, directory: int) -> bool:
        target = self._path(path)
        try:
            if stat.S_ISDIR(status.st_mode):
                if not target.is_dir() or target.is_symlink():
                    self._discard(target)
                    target.mkdir(mode=0o700)
            elif stat.S_ISLNK(status.st_mode):
                link = os.readlink(name, dir_fd=directory)
                self._discard(target)
                target.symlink_to(os.fsdecode(link))
            else:
                self._discard(target)
                self._copy_file(name, directory, target, executable=bool(status.st_mode & 0o100))
        except OSError:
            # It was replaced while we looked, or it is closed to us: the next look tries again.
            return False
        self._own(target)
        return True

    def _copy_file(self, name: bytes, directory: int, target: Path, *, executable: bool) -> None:
        source = os.open(name, _READ, dir_fd=directory)
        with os.fdopen(source, "rb") as reading:
            if not stat.S_ISREG(os.fstat(source).st_mode):
                raise OSError("no regular file any more")
            made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700 if executable else 0o600)
            with os.fdopen(made, "wb") as writing:
                left = self._most_bytes
                while left > 0 and (data := reading.read(min(_PIECE, left))):
                    left -= len(data)
                    writing.write(data)

    def _discard(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def _path(self, path: bytes) -> Path:
        return self._target / os.fsdecode(path)

    def _own(self, path: Path) -> None:
        if self._uid is not None:
            os.chown(path, self._uid, self._uid, follow_symlinks=False)


def _names(directory: int, skip: str = "") -> Iterator[bytes]:
    with os.scandir(directory) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
    return iter([name for name in names if not skip or os.fsdecode(name) != skip])


def _stamp(status: os.stat_result) -> _Stamp:
    if stat.S_ISDIR(status.st_mode):
        # Its entries are looked at themselves.
        return (stat.S_IFMT(status.st_mode),)
    return (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
