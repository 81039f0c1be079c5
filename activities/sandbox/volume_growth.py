"""How much a workspace has grown that is a file system of its own: the kernel knows, whatever was done to names.

Standard library only, since supervisors load it.
"""

import os
from pathlib import Path

LEAST_ROOM = 1024 * 1024
"""A file system refuses to write while some of its blocks are still free: it may need them for tables of its own."""


class VolumeGrowth:
    """The growth of one file system, in bytes."""

    device = None
    """Files that are open without a name are counted with all others."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._at_start = self._used()

    def _used(self) -> int:
        status = os.statvfs(self._root)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def bytes(self, limit: int) -> int:
        """Growth; more than the limit when there is no room left at all, which may be what earlier runs have used."""
        status = os.statvfs(self._root)
        grown = max(0, self._used() - self._at_start)
        full = status.f_bavail * status.f_frsize < LEAST_ROOM or not status.f_favail
        return max(grown, limit + 1) if full else grown
