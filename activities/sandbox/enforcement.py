"""Finds out whether a sandbox broke a limit: the kernel says so where it holds the limit, else it is measured.

Standard library only, since supervisors load it. It looks at processes of this host, and so serves every backend whose
sandboxes have some.
"""

import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path

from activities.sandbox import kernel_memory, processes
from activities.sandbox.cgroups import CONTROLLERS, OVERHEAD, Cgroup
from activities.sandbox.confinement import Broken
from activities.sandbox.disk_growth import DiskGrowth, TooDeep
from activities.sandbox.launch import Launch
from activities.sandbox.volume_growth import VolumeGrowth

WATCH_INTERVAL = 0.15
NEARLY = 0.6
"""Share of the memory limit from which shared pages are told apart: the exact figure costs milliseconds."""


class Enforcement:
    """The limits of one sandbox."""

    def __init__(self, launch: Launch, cgroup: Cgroup | None = None) -> None:
        self._launch, self._ceilings = launch, launch.ceilings
        self._cgroup = cgroup
        self._held: Collection[str] = [name for name in CONTROLLERS if cgroup and cgroup.holds(name)]
        self._disks: list[DiskGrowth | VolumeGrowth] = []
        self._inside = 0
        self._peak = 0
        self._measured = 0.0

    def prepare(self) -> None:
        """Measure what was there before the first process. Raises OSError."""
        places = [self._launch.workspace] if self._launch.workspace else []
        try:
            self._disks = [_growth_of(Path(place)) for place in (*places, *self._launch.writable)]
        except TooDeep as error:
            raise OSError(f"the workspace cannot be measured: {error}") from error

    def watch(self, inside: int) -> None:
        """From now on, measure what this process and its descendants use."""
        self._inside = inside

    def trust(self, cgroup: Cgroup | None, held: Collection[str]) -> None:
        """Ask a cgroup that somebody else made. `held` are its controllers that were found to hold."""
        self._cgroup, self._held = cgroup, held

    def broken_limit(self) -> Broken | None:
        """The first limit found to be broken."""
        broken = self.broken_in_kernel()
        now = time.monotonic()
        if broken or now - self._measured < WATCH_INTERVAL:
            return broken
        self._measured = now
        if not self._inside:
            return self._broken_disk(0)
        if not self._disks and {"memory", "pids"} <= set(self._held):
            return None
        everything = self._everything()
        device = next((disk.device for disk in self._disks if disk.device is not None), None)
        held = processes.held_open([process.pid for process in everything], device)
        return (
            self._broken_count(sum(process.threads for process in everything))
            or self._broken_memory(everything, held.memory)
            or self._broken_disk(held.disk)
        )

    def _everything(self) -> list[processes.Process]:
        """All processes of the sandbox.

        Its cgroup names them. To look for them among all processes of the host costs each sandbox the more, the more
        sandboxes there are: fifty were busy with nothing else.
        """
        named = self._cgroup.processes() if self._cgroup else set()
        # An engine may have put its limits above where its processes are.
        if self._inside in named:
            return [process for pid in named if (process := processes.read(pid))]
        first = processes.read(self._inside)
        return [*processes.descendants(self._inside), *([first] if first else [])]

    def broken_in_kernel(self) -> Broken | None:
        """What the kernel has refused so far; can also be asked when all is over."""
        if self._cgroup and "memory" in self._held and self._cgroup.killed_for_memory():
            return self.memory_broken()
        if self._cgroup and "pids" in self._held and self._cgroup.refused_processes():
            return self._processes_broken()
        if any(isinstance(disk, VolumeGrowth) for disk in self._disks):
            return self._broken_disk(0)
        return None

    def _broken_count(self, threads: int) -> Broken | None:
        if "pids" in self._held:
            return None
        return self._processes_broken() if threads > self._ceilings.processes + OVERHEAD else None

    def _broken_memory(self, everything: list[processes.Process], held: int) -> Broken | None:
        if "memory" in self._held:
            return None
        limit = self._ceilings.memory_bytes
        in_files = held + self._scratch_bytes() + kernel_memory.in_sockets(self._inside)
        used = in_files + sum(process.resident_bytes for process in everything)
        if used > limit * NEARLY:
            used = in_files + sum(processes.proportional_bytes(process.pid) for process in everything)
        self._peak = max(self._peak, used)
        return self.memory_broken() if used > limit else None

    def _scratch_bytes(self) -> int:
        """What is in the sandbox's tmpfs mounts, names included. Mount points cannot be replaced from inside."""
        total = 0
        for mount in self._launch.scratch:
            with contextlib.suppress(OSError):
                status = _own_mount(self._inside, mount)
                if status is not None:
                    total += (status.f_blocks - status.f_bfree) * status.f_frsize + kernel_memory.names_in(status)
        return total

    def _broken_disk(self, held: int) -> Broken | None:
        if not self._disks:
            return None
        limit = self._ceilings.disk_bytes
        try:
            grown = sum(disk.bytes(limit) for disk in self._disks) + held
        except TooDeep as error:
            return "disk", f"The workspace cannot be measured any more: {error}"
        except OSError as error:
            return "disk", f"The workspace cannot be measured any more: {error.strerror}"
        return ("disk", f"The workspace grew by more than {limit} bytes.") if grown > limit else None

    def memory_broken(self) -> Broken:
        """What is told of a run that used too much memory."""
        return "memory", f"It used more than {self._ceilings.memory_bytes} bytes of memory."

    def _processes_broken(self) -> Broken:
        return "processes", f"It started more than {self._ceilings.processes} processes and threads at a time."

    def memory_peak(self) -> int:
        """Bytes, as far as it was seen or the kernel kept it."""
        self._peak = max(self._peak, self._cgroup.memory_peak() if self._cgroup else 0)
        return self._peak


def _own_mount(inside: int, mount: str) -> os.statvfs_result | None:
    """What a mount of the sandbox holds; None while the process still sees the host's file system there.

    It does for some milliseconds after its start, and what is on the host's disk is nobody's memory.
    """
    seen = os.open(f"/proc/{inside}/root{mount}", os.O_PATH | os.O_DIRECTORY)
    try:
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(seen).st_dev == Path(mount).stat().st_dev:
                return None
        return os.fstatvfs(seen)
    finally:
        os.close(seen)


def _growth_of(place: Path) -> DiskGrowth | VolumeGrowth:
    return VolumeGrowth(place) if os.path.ismount(place) else DiskGrowth(place)
