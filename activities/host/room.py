"""Room on this machine's disks: work that would fill one is not begun, so that work under way does not break.

What is free is asked of the kernel each time, for whoever is not root: workspaces belong to uids of sandboxes, and what
a file system keeps back for root is nothing to them.
"""

import os
from collections.abc import Sequence
from pathlib import Path

GIB = 1024**3


class DiskFull(Exception):
    """A disk has less room than new work may begin with; the message says which, how full, and what to do."""


class Room:
    """How much has to be free where this installation keeps things."""

    def __init__(self, places: Sequence[Path], *, least_bytes: int, least_inodes: int) -> None:
        """`places`: directories, or ones that will be made; several on one file system count once."""
        self._places = tuple(places)
        self._least_bytes = least_bytes
        self._least_inodes = least_inodes

    def why_not(self) -> str:
        """What is short and what helps, a sentence for the first disk that is; empty if there is room."""
        seen: set[int] = set()
        for place in self._places:
            nearest = next(each for each in (place, *place.parents) if each.exists())
            device = nearest.stat().st_dev
            if device in seen:
                continue
            seen.add(device)
            if said := self._short(nearest):
                return said
        return ""

    def refuse_full(self) -> None:
        """Raises DiskFull."""
        if said := self.why_not():
            raise DiskFull(said)

    def told(self) -> str:
        """How much is free on the fullest of the disks, for a report."""
        free = []
        for place in self._places:
            held = os.statvfs(next(each for each in (place, *place.parents) if each.exists()))
            free.append((held.f_bavail * held.f_frsize, held.f_favail if held.f_files else None))
        least_bytes, inodes = min(free, key=lambda one: one[0])
        return f"{least_bytes / GIB:.0f} GiB free" + ("" if inodes is None else f", {inodes} files can be made")

    def _short(self, place: Path) -> str:
        held = os.statvfs(place)
        free = held.f_bavail * held.f_frsize
        if free < self._least_bytes:
            used = 100 - 100 * held.f_bavail // max(1, held.f_blocks)
            return (
                f"the disk of {place} is {used} % full: {free / GIB:.2f} GiB are free, and new work needs "
                f"{self._least_bytes / GIB:.2f} GiB (JOURNEYMAN_LEAST_FREE_BYTES). Make room there, and it goes on by "
                "itself; what runs already is not touched"
            )
        # Some file systems make inodes as they need them, and say that they have none.
        if held.f_files and held.f_favail < self._least_inodes:
            used = 100 - 100 * held.f_favail // held.f_files
            return (
                f"the disk of {place} has used {used} % of its inodes: {held.f_favail} files can be made, and "
                f"new work needs {self._least_inodes} (JOURNEYMAN_LEAST_FREE_INODES). Remove files there, and it goes "
                "on by itself; what runs already is not touched"
            )
        return ""
