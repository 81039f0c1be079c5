"""How strongly each limit holds on this host, found out by running into it, not by guessing."""

import json
import os
import subprocess
import sys
from typing import Any

from activities.sandbox import bubblewrap
from activities.sandbox.backend import Enforceable, ProbeFailed, Trial
from activities.sandbox.cgroups import CONTROLLERS, FREEZER, Cgroup, discover
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.launch import Ceilings, CgroupPlace, Launch
from workflows.models.limits import MIB, Grade, LimitGrades, Limits
from workflows.models.run import RunEnd

PROBE_SECONDS = 20.0
PROBE_PROCESSES = 8
PROBE_CPUS = 0.02
"""So little that it is more than that even where many want the processors."""
ATTEMPTS = 40
IN_CGROUP = """
import os, sys, time
for path in sys.argv[1:]:
    open(path + "/cgroup.procs", "w").write("0")
children = []
try:
    for _ in range(16):
        child = os.fork()
        if child == 0:
            time.sleep(60)
        children.append(child)
except OSError:
    pass
for child in children:
    os.kill(child, 9)
    os.waitpid(child, 0)
def throttled():
    for path in sys.argv[1:]:
        try:
            for line in open(path + "/cpu.stat"):
                if line.startswith("nr_throttled ") and int(line.split()[1]):
                    return True
        except OSError:
            pass
    return False
end = time.monotonic() + 2
while time.monotonic() < end and not throttled():
    pass
for path in sys.argv[1:]:
    for name, value in (("cpu.cfs_quota_us", "-1"), ("cpu.max", "max")):
        try:
            with open(path + "/" + name, "r+") as file:
                file.write(value)
        except OSError:
            pass
block = bytearray(128 << 20)
for page in range(0, len(block), 4096):
    block[page] = 1
"""
"""Tries to fork too often, to use a processor too long and to fill too much memory.

On a machine that is busy it may take a while until it gets more of a processor than it may have; and what comes after
that needs no such limit any more.
"""
IN_SANDBOX = f"""
import json, os, signal, socket, time
children = []
try:
    for _ in range({ATTEMPTS}):
        child = os.fork()
        if child == 0:
            time.sleep(60)
        children.append(child)
except OSError:
    pass
for child in children:
    os.kill(child, 9)
    os.waitpid(child, 0)
too_large = False
try:
    with open("/tmp/large", "wb") as file:
        file.write(bytes(2 << 20))
except OSError:
    too_large = True
tmp = os.statvfs("/tmp")
print(json.dumps({{
    "forked": len(children),
    "file_refused": too_large,
    "scratch": tmp.f_blocks * tmp.f_frsize,
    "interfaces": [name for _, name in socket.if_nameindex()],
}}))
"""


def probe(trial: Trial) -> Enforceable:
    """Try every limit once: about 0.4 seconds. Raises ProbeFailed."""
    cgroup = _working_cgroup()
    held = set(cgroup.parents) if cgroup else set()
    if cgroup and cgroup.version == 2:
        held = set(CONTROLLERS)
    try:
        found = _ask_sandbox(trial)
    except ProbeFailed:
        # A machine that is short of memory or time for a moment is asked once more.
        found = _ask_sandbox(trial)
    counted = 0 < found.get("forked", 0) < PROBE_PROCESSES + 1
    grades = LimitGrades(
        wall=Grade.WATCHED,
        memory=_kernel("memory" in held, Grade.WATCHED),
        processes=_kernel("pids" in held or counted, Grade.WATCHED),
        cpus=_kernel("cpu" in held, Grade.NONE),
        disk=Grade.WATCHED,
        file=_kernel(found.get("file_refused") is True, Grade.NONE),
        scratch=_kernel(found.get("scratch") == 4 * MIB, Grade.NONE),
        output=Grade.WATCHED,
        network=_kernel(found.get("interfaces") == ["lo"], Grade.NONE),
    )
    return Enforceable(grades, cgroup, counted)


def _kernel(works: bool, otherwise: Grade) -> Grade:
    return Grade.KERNEL if works else otherwise


def _working_cgroup() -> CgroupPlace | None:
    """The controllers that really hold a process which enters them."""
    place = discover()
    if place is None:
        return None
    place = CgroupPlace(
        place.version, {name: path for name, path in place.parents.items() if os.access(path, os.W_OK | os.X_OK)}
    )
    if not place.parents:
        return None
    cgroup = Cgroup.of(place, f"probe-{os.getpid()}-{os.urandom(4).hex()}")
    ceilings = Ceilings(
        wall_seconds=1, memory_bytes=48 * MIB, processes=2, cpus=PROBE_CPUS, disk_bytes=1, file_bytes=1, output_bytes=1
    )
    try:
        cgroup.create(ceilings)
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", IN_CGROUP, *cgroup.directories()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_SECONDS,
            check=False,
        )
        works = {
            "memory": cgroup.killed_for_memory() > 0,
            "pids": cgroup.refused_processes() > 0,
            "cpu": cgroup.counter("cpu", "cpu.stat", "nr_throttled") > 0,
        }
    except (OSError, subprocess.TimeoutExpired):
        return None
    finally:
        cgroup.kill()
        cgroup.remove()
    if place.version == 2:
        return place if all(works.values()) else None
    kept = {name: path for name, path in place.parents.items() if works.get(name, name == FREEZER)}
    return CgroupPlace(1, kept) if kept else None


def _ask_sandbox(trial: Trial) -> dict[str, Any]:
    """Run a sandbox that tries its limits and tells. Raises ProbeFailed."""
    spec = SandboxSpec(
        run_id=f"probe-{os.getpid()}-{os.urandom(4).hex()}",
        command=("python3", "-I", "-S", "-c", IN_SANDBOX),
        limits=Limits(wall_seconds=PROBE_SECONDS, file_bytes=MIB, scratch_bytes=4 * MIB),
    )

    def limit_processes(launch: Launch) -> Launch:
        command = bubblewrap.command(spec, launch.mark, PROBE_PROCESSES)
        return launch._replace(body=launch.body | {"command": command})

    status, output = trial(spec, limit_processes)
    said = output.decode(errors="replace").strip()
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    if status.end is not RunEnd.EXITED or status.exit_code != 0 or not isinstance(answer, dict):
        raise ProbeFailed(
            f"the probe failed: the sandbox that tries this host's limits is {status.end} (exit code "
            f"{status.exit_code}): {status.detail or said[-500:] or 'it said nothing'}"
        )
    return answer
