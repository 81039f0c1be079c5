"""How much a workspace has grown, measured from outside while hostile code writes to it.

Directories are opened without following links and by descriptor, so that a tree which changes underfoot leads
nowhere else, and one that is nested beyond what a path can name is still counted. What has no name and no open
descriptor any more (a deleted file that is only mapped, or on its way through a socket) is not seen: hence `watched`.
"""

import os
import time
from pathlib import Path

DEEPEST = 400
"""Levels of directories; each one being read costs a descriptor."""
REST = 10
"""Time between two counts, in multiples of what the last one took."""
SHORTEST_REST = 0.25
BLOCK = 512
"""What st_blocks counts in, whatever the file system."""
LEAST = 4096
"""What any file costs, in bytes: a host runs out of inodes as it runs out of room, and empty files have no blocks."""


class TooDeep(Exception):
    """The tree is nested deeper than is counted."""


class DiskGrowth:
    """The growth of one directory tree, in bytes on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._free_at_start = self._free_at_count = self._free()
        self._at_start = self._count()
        self._grown = 0
        self._seconds = 0.0
        self._next = time.monotonic()

    @property
    def device(self) -> int:
        return self._root.stat().st_dev

    def bytes(self, limit: int) -> int:
        """Growth as of the last count. Counts again when it is time, or when the disk lost enough room to matter."""
        now = time.monotonic()
        free = self._free()
        lost = self._free_at_count - free
        if now < self._next and self._grown + lost <= limit:
            return self._grown
        if now < self._next - self._seconds * (REST - 2):
            return self._grown  # Somebody else fills the disk; counting without a pause would not help.
        self._free_at_count = free
        try:
            self._grown = max(0, self._count() - self._at_start)
        except PermissionError:
            # A directory that was closed to us hides what is in it; then all that the disk has lost counts.
            self._grown = max(self._grown, self._free_at_start - free)
        self._seconds = time.monotonic() - now
        self._next = now + max(SHORTEST_REST, REST * self._seconds)
        return self._grown

    def _free(self) -> int:
        status = os.statvfs(self._root)
        return status.f_bfree * status.f_frsize

    def _count(self) -> int:
        """Raises TooDeep, and PermissionError for a directory that cannot be read."""
        total = 0
        linked: set[int] = set()
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        open_directories = [os.scandir(root := os.open(self._root, flags))]
        descriptors = [root]
        try:
            while open_directories:
                entry = next(open_directories[-1], None)
                if entry is None:
                    open_directories.pop().close()
                    os.close(descriptors.pop())
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if status.st_ino in linked:
                            continue
                        linked.add(status.st_ino)
                    total += max(status.st_blocks * BLOCK, LEAST)
                    if entry.is_dir(follow_symlinks=False):
                        if len(descriptors) >= DEEPEST:
                            raise TooDeep(f"Directories are nested more than {DEEPEST} deep.")
                        descriptors.append(child := os.open(entry.name, flags, dir_fd=descriptors[-1]))
                        open_directories.append(os.scandir(child))
                except (FileNotFoundError, NotADirectoryError):
                    continue  # It was removed or replaced while we looked.
                except OSError as error:
                    if isinstance(error, PermissionError):
                        raise
                    continue  # A link put in a directory's place (ELOOP).
        finally:
            for scan in open_directories:
                scan.close()
            for descriptor in descriptors:
                os.close(descriptor)
        return total
