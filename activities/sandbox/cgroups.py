"""One cgroup a sandbox: the kernel's own limits on memory, processes and processor time. Versions 1 and 2.

Standard library only, since supervisors load it. A cgroup is made below the worker's own, or beside it, so that a
sandbox never gets more than the worker was given.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection
from pathlib import Path

from activities.sandbox.launch import Ceilings, CgroupPlace

CONTROLLERS = ("memory", "pids", "cpu")
FREEZER = "freezer"
CPU_ACCOUNT = "cpuacct"
UNIFIED = "unified"
"""Key of version 2's one parent directory."""
PERIOD = 100_000
"""Microseconds over which a processor share is counted."""
OVERHEAD = 4
"""Processes of ours in each sandbox: bubblewrap twice, the forwarder, and one being forked."""


def discover() -> CgroupPlace | None:
    """Where this process could make cgroups, if the host mounts any. Whether it may is for a probe to find out."""
    own = _own_paths()
    mounts = _mounts()
    unified = mounts.get(UNIFIED)
    if unified and "" in own:
        for parent in _candidates(unified, own[""]):
            if set(CONTROLLERS) <= _words(parent / "cgroup.controllers"):
                return CgroupPlace(2, {UNIFIED: str(parent)})
    parents = {
        name: str(next(_candidates(mounts[name], own[name])))
        for name in (*CONTROLLERS, FREEZER)
        if name in mounts and name in own
    }
    return CgroupPlace(1, parents) if parents else None


def _own_paths() -> dict[str, str]:
    """This process's path in each hierarchy; version 2's under the empty name."""
    return _paths_of("self")


def _paths_of(process: int | str) -> dict[str, str]:
    paths: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            paths.update(dict.fromkeys(names.split(","), path))
    return paths


def _mounts(wanted: Collection[str] = (*CONTROLLERS, FREEZER)) -> dict[str, tuple[Path, str]]:
    """Each hierarchy's mount point, and which part of the hierarchy is mounted there."""
    found: dict[str, tuple[Path, str]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        root, point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2":
            found.setdefault(UNIFIED, (Path(point), root))
        elif kind == "cgroup":
            for name in set(options.split(",")) & set(wanted):
                found.setdefault(name, (Path(point), root))
    return found


def _candidates(mount: tuple[Path, str], own: str) -> "filter[Path]":
    point, root = mount
    inner = own[len(root) :] if root != "/" and own.startswith(root) else own
    mine = point / inner.strip("/")
    # Version 2 lets no process be in a cgroup that hands out controllers, so there it may have to be a sibling.
    return filter(Path.is_dir, (mine, mine.parent if mine != point else point, point))


def _words(file: Path) -> set[str]:
    try:
        return set(file.read_text().split())
    except OSError:
        return set()


def of_process(pid: int) -> "Cgroup | None":
    """The cgroup that somebody else made around a process, to be read: where its limits are.

    None if it is not seen, or is our own: an engine without root may have none to give.
    """
    own = _own_paths()
    paths = {name: path for name, path in _paths_of(pid).items() if path != own.get(name)}
    mounts = _mounts((*CONTROLLERS, FREEZER, CPU_ACCOUNT))
    unified = mounts.get(UNIFIED)
    if unified and "" in paths and (found := _inner(unified, paths[""])):
        # An engine may put its limits one above the processes.
        for candidate in (found, found.parent):
            if _words(candidate / "pids.max") - {"max"}:
                return Cgroup(2, {UNIFIED: candidate})
    parts = {
        name: found
        for name in (*CONTROLLERS, FREEZER, CPU_ACCOUNT)
        if name in mounts and name in paths and (found := _inner(mounts[name], paths[name]))
    }
    return Cgroup(1, parts) if parts else None


def _inner(mount: tuple[Path, str], path: str) -> Path | None:
    point, root = mount
    inner = path[len(root) :] if root != "/" and path.startswith(root) else path
    found = point / inner.strip("/")
    return found if found != point and found.is_dir() else None


class Cgroup:
    """The cgroup of one sandbox. Methods other than `create` accept that it, or a part of it, is not there."""

    def __init__(self, version: int, parts: dict[str, Path]) -> None:
        self.version = version
        self._parts = parts

    @classmethod
    def of(cls, place: CgroupPlace, name: str) -> "Cgroup":
        """The one of this name; `create` makes it."""
        return cls(place.version, {part: Path(parent) / f"journeyman-{name}" for part, parent in place.parents.items()})

    def _part(self, controller: str) -> Path | None:
        return self._parts.get(UNIFIED if self.version == 2 else controller)

    def create(self, ceilings: Ceilings) -> None:
        """Make it with its limits. Raises OSError if this host does not let us."""
        if self.version == 2:
            control = self._parts[UNIFIED].parent / "cgroup.subtree_control"
            if not set(CONTROLLERS) <= _words(control):
                control.write_text(" ".join(f"+{name}" for name in CONTROLLERS))
        for path in self._parts.values():
            path.mkdir(exist_ok=True)
        quota = int(ceilings.cpus * PERIOD)
        limits = {
            1: {
                "memory": (("memory.swappiness", "0"), ("memory.limit_in_bytes", str(ceilings.memory_bytes))),
                "pids": (("pids.max", str(ceilings.processes + OVERHEAD)),),
                "cpu": (("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", str(quota))),
            },
            2: {
                "memory": (("memory.max", str(ceilings.memory_bytes)), ("memory.oom.group", "1")),
                "pids": (("pids.max", str(ceilings.processes + OVERHEAD)),),
                "cpu": (("cpu.max", f"{quota} {PERIOD}"),),
            },
        }[self.version]
        for controller, settings in limits.items():
            part = self._part(controller)
            for file, value in settings if part else ():
                (part / file).write_text(value)  # type: ignore[operator]  # mypy does not see through the condition
        self._forbid_swap(ceilings.memory_bytes)

    def _forbid_swap(self, memory: int) -> None:
        part = self._part("memory")
        file, value = ("memory.swap.max", "0") if self.version == 2 else ("memory.memsw.limit_in_bytes", str(memory))
        if part and (part / file).exists():
            (part / file).write_text(value)

    def enter(self) -> None:
        """Put the calling process into it."""
        for path in self._parts.values():
            (path / "cgroup.procs").write_text("0")

    def holds(self, controller: str) -> bool:
        return self._part(controller) is not None

    def counter(self, controller: str, file: str, key: str) -> int:
        """One number of a file with a key and a number on each line; 0 if it is not there."""
        part = self._part(controller)
        with contextlib.suppress(OSError):
            found = re.search(rf"^{key} (\d+)$", (part / file).read_text(), re.MULTILINE) if part else None
            return int(found[1]) if found else 0
        return 0

    def killed_for_memory(self) -> int:
        """How many processes the kernel has killed in it because memory ran out."""
        return self.counter("memory", "memory.events" if self.version == 2 else "memory.oom_control", "oom_kill")

    def refused_processes(self) -> int:
        """How many forks the kernel has refused in it."""
        return self.counter("pids", "pids.events", "max")

    def memory_peak(self) -> int:
        part = self._part("memory")
        with contextlib.suppress(OSError, ValueError):
            name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
            return int((part / name).read_text()) if part else 0
        return 0

    def cpu_seconds(self) -> float:
        """Processor time of everything that was ever in it; 0 if that is not counted."""
        if self.version == 2:
            return self.counter("cpu", "cpu.stat", "usage_usec") / 1e6
        part = self._part(CPU_ACCOUNT)
        with contextlib.suppress(OSError, ValueError):
            return int((part / "cpuacct.usage").read_text()) / 1e9 if part else 0
        return 0

    def freeze(self, wanted: bool) -> bool:
        """Stop or resume every process in it. False if this cgroup cannot."""
        part = self._part(FREEZER)
        if part is None:
            return False
        try:
            if self.version == 2:
                (part / "cgroup.freeze").write_text("1" if wanted else "0")
            else:
                (part / "freezer.state").write_text("FROZEN" if wanted else "THAWED")
        except OSError:
            return False
        return True

    def frozen_survive(self) -> bool:
        """Whether a frozen process here dies only when it is thawed."""
        return self.version == 1 and self._part(FREEZER) is not None

    def is_frozen(self, patience_seconds: float = 0.02) -> bool | None:
        """Whether every process has stopped, which takes a moment. None if this cgroup cannot freeze."""
        part = self._part(FREEZER)
        if part is None:
            return None
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                if self.version == 2:
                    frozen = "frozen 1" in (part / "cgroup.events").read_text()
                else:
                    frozen = (part / "freezer.state").read_text().strip() == "FROZEN"
            except OSError:
                return None
            if frozen or time.monotonic() > deadline:
                return frozen
            time.sleep(0.001)

    def processes(self) -> set[int]:
        """Everything in it, in whichever part."""
        found: set[int] = set()
        for path in self._parts.values():
            found |= {int(word) for word in _words(path / "cgroup.procs")}
        return found

    def kill(self) -> bool:
        """Kill everything in it at once: none outlives another for long enough to act on its death.

        False if this cgroup can only kill one after the other. Version 1 has no call for that, but a frozen process
        there dies only when it is thawed.
        """
        if self.version == 2:
            with contextlib.suppress(OSError):
                (self._parts[UNIFIED] / "cgroup.kill").write_text("1")
                return True
        at_once = self.freeze(True)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.freeze(False)
        return at_once

    def remove(self, patience_seconds: float = 5.0) -> bool:
        """Remove it, once it is empty; the kernel takes a moment to notice. Says whether it is gone."""
        deadline = time.monotonic() + patience_seconds
        while True:
            for path in self._parts.values():
                with contextlib.suppress(OSError):
                    path.rmdir()
            if not any(path.exists() for path in self._parts.values()):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)

    def directories(self) -> list[str]:
        return [str(path) for path in self._parts.values()]
