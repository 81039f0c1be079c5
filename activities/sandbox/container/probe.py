"""Tries what an engine promises: each limit, and what a container must not have, in one sandbox.

An engine may leave out what its host can't do, with a warning or without one. So nothing is believed that did not hold
when it was tried.
"""

import json
import os
import platform
from typing import Any

from activities.sandbox.backend import Enforceable, ProbeFailed, Trial
from activities.sandbox.contract import ImageRefused, RunStatus, SandboxSpec
from activities.sandbox.launch import Launch
from workflows.models.limits import GIB, MIB, Grade, LimitGrades, Limits
from workflows.models.run import RunEnd

PROBE_SECONDS = 30.0
PROBE_PROCESSES = 8
ATTEMPTS = 40
PROBE_MEMORY = 64 * MIB
PROBE_CPUS = 0.3
INSIDE = f"""
import json, os, socket, time
def status(name):
    lines = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    return lines.get(name, "").strip()
def writable(path):
    try:
        os.close(os.open(path + "/planted", os.O_CREAT | os.O_WRONLY))
        return True
    except OSError:
        return False
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
file_refused = False
try:
    with open("/tmp/large", "wb") as file:
        file.write(bytes(2 << 20))
except OSError:
    file_refused = True
os.unlink("/tmp/large")
tmp = os.statvfs("/tmp")
began, used = time.monotonic(), time.process_time()
while time.monotonic() < began + 0.5:
    pass
print(json.dumps({{
    "forked": len(children),
    "file_refused": file_refused,
    "scratch": tmp.f_blocks * tmp.f_frsize,
    "interfaces": [name for _, name in socket.if_nameindex()],
    "processor": (time.process_time() - used) / (time.monotonic() - began),
    "uid": os.getuid(),
    "writable": [path for path in ("/", "/usr", "/etc", "/run", "/dev", "/var") if writable(path)],
    "sysctl": os.access("/proc/sys/kernel/core_pattern", os.W_OK),
    "privileges": status("CapEff").strip("0") + status("CapBnd").strip("0"),
    "no_new_privileges": status("NoNewPrivs"),
    "seccomp": status("Seccomp"),
    "kernel": os.uname().version,
}}), flush=True)
child = os.fork()
if child == 0:
    kept = bytearray(os.urandom(1)) * (128 << 20)
    os._exit(0)
print(json.dumps({{"filled": os.waitpid(child, 0)[1] == 0}}), flush=True)
"""
_NEEDED = ("git", "sh")
LOOK = f"""
for program in {" ".join(_NEEDED)}; do command -v "$program" >/dev/null || echo "$program"; done
"""


def probe(trial: Trial, *, own_kernel: bool) -> Enforceable:
    """Try everything once: about a second. `own_kernel` asks for a runtime with one of its own. Raises ProbeFailed."""
    spec = SandboxSpec(
        run_id=f"probe-{os.getpid()}-{os.urandom(4).hex()}",
        command=("python3", "-I", "-S", "-c", INSIDE),
        limits=Limits(
            wall_seconds=PROBE_SECONDS,
            memory_bytes=PROBE_MEMORY,
            processes=PROBE_PROCESSES,
            cpus=PROBE_CPUS,
            file_bytes=MIB,
            scratch_bytes=4 * MIB,
        ),
    )
    status, output = trial(spec, _unwatched)
    found, filled = _answers(status, output)
    _confirm(found, own_kernel=own_kernel)
    # Seen from this host: else there is nothing that could be watched.
    watched = Grade.WATCHED if status.usage.memory_peak_bytes else Grade.NONE
    held = {
        "memory": filled is not True,
        "pids": 0 < found.get("forked", 0) < ATTEMPTS,
        "cpu": found.get("processor", 1) < 2 * PROBE_CPUS,
    }
    grades = LimitGrades(
        wall=Grade.WATCHED,
        memory=_kernel(held["memory"], watched),
        processes=_kernel(held["pids"], watched),
        cpus=_kernel(held["cpu"], Grade.NONE),
        disk=Grade.WATCHED,
        file=_kernel(found.get("file_refused") is True, Grade.NONE),
        scratch=_kernel(found.get("scratch") == 4 * MIB, Grade.NONE),
        output=Grade.WATCHED,
        network=_kernel(found.get("interfaces") == ["lo"], Grade.NONE),
    )
    return Enforceable(grades, held=tuple(name for name, holds in held.items() if holds))


def _kernel(holds: bool, otherwise: Grade) -> Grade:
    return Grade.KERNEL if holds else otherwise


def _unwatched(launch: Launch) -> Launch:
    """What the engine is asked for stays small, and nothing of ours ends the run: who stopped it would not be known."""
    ceilings = launch.ceilings._replace(memory_bytes=4 * GIB, processes=512)
    return launch._replace(ceilings=ceilings)


def _answers(status: RunStatus, output: bytes) -> tuple[dict[str, Any], bool | None]:
    """What it found, and whether it could fill too much memory; None if it was ended for that."""
    said = output.decode(errors="replace")
    answers: list[dict[str, Any]] = []
    for line in said.splitlines():
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        answers += [answer] if isinstance(answer, dict) else []
    if not answers or (len(answers) == 1 and status.end not in {RunEnd.LOST, RunEnd.MEMORY, RunEnd.EXITED}):
        raise ProbeFailed(
            f"the probe failed: the container that tries this engine's limits is {status.end} (exit code "
            f"{status.exit_code}): {status.detail or said[-500:].strip() or 'it said nothing'}"
        )
    return answers[0], answers[1].get("filled") is True if len(answers) > 1 else None


def _confirm(found: dict[str, Any], *, own_kernel: bool) -> None:
    """Refuse an engine whose containers have what none may have. Raises ProbeFailed."""
    wrong: list[str] = []
    if found.get("uid") == 0 and os.geteuid() == 0:
        wrong.append("run as root")
    if found.get("writable") != []:
        wrong.append(f"can write {found.get('writable')}")
    if found.get("sysctl") is not False:
        wrong.append("can write /proc/sys")
    if found.get("privileges") != "":
        wrong.append("have capabilities")
    if found.get("no_new_privileges") not in ("1", ""):
        wrong.append("can gain privileges")
    apart = found.get("kernel") != platform.uname().version
    if own_kernel and not apart:
        wrong.append("share this host's kernel, although the runtime that was asked for has one of its own")
    if found.get("seccomp") != "2" and not apart:
        wrong.append("have no seccomp filter")
    if wrong:
        raise ProbeFailed(
            f"the probe failed: containers of this engine {'; '.join(wrong)}. Use an engine that does what it is asked "
            'for, or set `sandbox.backend = "bubblewrap"` in journeyman.toml'
        )


def look_into(name: str, image: str, trial: Trial) -> None:
    """Start a container of an image and see that it has what every task needs. Raises ImageRefused."""
    spec = SandboxSpec(
        run_id=f"image-{os.getpid()}-{os.urandom(4).hex()}",
        command=("sh", "-c", LOOK),
        image=image,
        limits=Limits(wall_seconds=PROBE_SECONDS),
    )
    status, output = trial(spec, lambda launch: launch)
    if status.end is not RunEnd.EXITED or status.exit_code not in (0, 127):
        raise ImageRefused(
            f"no sandbox starts with image {name!r} ({status.detail or status.end}): it needs the GNU C library, since "
            "the program that starts inside is this host's Python; an image on Debian, Ubuntu or Fedora has it"
        )
    missing = output.decode(errors="replace").split() if status.exit_code == 0 else ["sh"]
    if missing:
        raise ImageRefused(
            f"image {name!r} has no {' and no '.join(each for each in _NEEDED if each in missing)}: a patch is taken "
            "out of a workspace by git, in a sandbox with that image. Add it to the image"
        )
