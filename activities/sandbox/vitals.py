"""Signs of life of a run, read from outside while its supervisor keeps it."""

import contextlib
import os
from pathlib import Path

from activities.sandbox import cgroups, processes
from activities.sandbox.contract import Vitals
from activities.sandbox.run_directory import RunDirectory

_TICKS = os.sysconf("SC_CLK_TCK")


def vitals_of(directory: RunDirectory) -> Vitals:
    """Those of the run in this directory."""
    size = 0
    with contextlib.suppress(OSError):
        size = directory.output.stat().st_size
    return Vitals(output_bytes=size, cpu_seconds=_cpu_seconds(directory), stands_still=directory.still.exists())


def _cpu_seconds(directory: RunDirectory) -> float | None:
    """By its cgroup where that counts, else by its processes, each with the dead that it has waited for."""
    inside = directory.living(directory.sandbox)
    if inside is None:
        return None
    cgroup = cgroups.of_process(inside)
    if cgroup is not None and (counted := cgroup.cpu_seconds()):
        return counted
    named = cgroup.processes() if cgroup is not None else set()
    # To look for them among all processes of the host costs the more, the more sandboxes there are.
    pids = named if inside in named else {inside, *(process.pid for process in processes.descendants(inside))}
    return sum(map(_of_process, pids))


def _of_process(pid: int) -> float:
    with contextlib.suppress(*processes.UNSEEN):
        text = Path(f"/proc/{pid}/stat").read_bytes()
        # utime, stime, cutime and cstime; see proc(5). The name may hold anything, a parenthesis too.
        fields = text[text.rindex(b")") + 2 :].split()
        return sum(int(field) for field in fields[11:15]) / _TICKS
    return 0
