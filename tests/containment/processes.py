"""Processes of the host and of other sandboxes: seen, read, signalled, taken over."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.containment.attempt import Attempt, NotApplicable
from tests.containment.calls import NUMBERS
from tests.containment.inside import Control as Where
from tests.containment.inside import Inside, Observe, OnHost, Prepare, Without
from tests.containment.observers import proof_was_left, secret_came_out, seen_meanwhile, victim_is_dead
from tests.containment.scene import Scene


def _victim(scene: Scene) -> None:
    scene.start_victim()


def _for_one_alone(prepare: Prepare) -> Prepare:
    """For what hits or reads everything of a uid: that uid has to be nobody else's."""

    def prepared(scene: Scene) -> None:
        if scene.uid is None:
            raise NotApplicable("trying every process of a uid takes one that is nobody else's, and so root")
        prepare(scene)

    return prepared


_alone = _for_one_alone(_victim)


def _of(
    name: str, success: str, script: str, observe: Observe = secret_came_out, where: Where | None = None,
    prepare: Prepare = _victim, meanwhile: Prepare | None = None, may_lack: str = "",
) -> Inside:  # fmt: skip
    return Inside(
        name=name, group="processes", success=success, script=script, observe=observe, where=where or OnHost(),
        prepare=prepare, meanwhile=meanwhile, may_lack=may_lack,
    )  # fmt: skip


def _changed(what: str, look: Callable[[int], object]) -> tuple[Prepare, Observe]:
    """Whether something about the victim, looked at from outside, is not as it was."""
    before: dict[int, object] = {}

    def prepare(scene: Scene) -> None:
        scene.start_victim()
        assert scene.victim
        before[scene.victim.pid] = look(scene.victim.pid)

    def observe(scene: Scene, _: object) -> str:
        assert scene.victim
        return f"{what} was changed" if look(scene.victim.pid) != before.pop(scene.victim.pid) else ""

    return prepare, observe


_NICE, _NICE_SEEN = _changed("the priority of a process outside", lambda pid: os.getpriority(os.PRIO_PROCESS, pid))
_CPUS, _CPUS_SEEN = _changed(
    "the processors of a process outside", lambda pid: tuple(sorted(os.sched_getaffinity(pid)))
)
_FILES, _FILES_SEEN = _changed("a limit of a process outside", lambda pid: Path(f"/proc/{pid}/limits").read_text())
_SCORE, _SCORE_SEEN = _changed(
    "the score of a process outside", lambda pid: Path(f"/proc/{pid}/oom_score_adj").read_text()
)


def _stopped(scene: Scene) -> None:
    """Notices when the victim stands still."""
    assert scene.victim
    while not scene.over.wait(0.02):
        with open(f"/proc/{scene.victim.pid}/stat") as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "T":
                scene.seen.append("a process outside stands still")
                return


def _hold_pipe(scene: Scene) -> None:
    """A process outside with pipes that are its own user's, as a sandbox's are not: those are its supervisor's."""
    drop: dict[str, Any] = {"user": scene.uid, "group": scene.uid, "extra_groups": []} if scene.uid is not None else {}
    process = subprocess.Popen(
        ["/bin/sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", env={}, **drop
    )
    assert process.stdin and process.stdout
    if scene.uid is not None:
        for end in (process.stdin, process.stdout):
            os.fchown(end.fileno(), scene.uid, scene.uid)

    def end_it() -> None:
        process.kill()
        process.communicate()

    scene.closing.append(end_it)


def _worker_knows(scene: Scene) -> None:
    """A secret in the environment of this process, which starts the sandbox, and of a process outside."""
    scene.start_victim()
    os.environ["JM_PLANTED"] = scene.token
    scene.closing.append(lambda: os.environ.pop("JM_PLANTED", None))


_TAKEN = "what a process outside keeps is read"
_HIT = "a process outside is hit"
_LISTED = """
for path in glob.glob('/proc/[0-9]*/cmdline'):
    try:
        tell(read(path))
    except OSError:  # It has ended.
        pass
"""
_SEGMENT = """
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(V['key'], V['length'], 0)
if segment < 0:
    raise OSError(ctypes.get_errno(), 'shmget')
tell(ctypes.string_at(libc.shmat(segment, None, 0o10000), V['length']).decode())
"""
_EVERY = "[int(name) for name in os.listdir('/proc') if name.isdigit()]"

ATTEMPTS: tuple[Attempt, ...] = (
    _of(
        "find a process of the host by its command line",
        "a process of the host is in view",
        _LISTED,
    ),
    _of(
        "find a process of the host in a sandbox that shares its namespace",
        "a process of the host is in view",
        _LISTED,
        where=Without("the process namespace"),
    ),
    _of("read the environment of a process outside", _TAKEN, "tell(read('/proc/%d/environ' % V['victim']))"),
    _of(
        "read every environment and command line there is",
        _TAKEN,
        f"for pid in {_EVERY}:\n    for name in ('environ', 'cmdline'):\n"
        "        try: tell(read('/proc/%d/%s' % (pid, name)))\n        except OSError: pass",
        prepare=_alone,
    ),
    _of(
        "read a process's memory through /proc",
        _TAKEN,
        "with open('/proc/%d/mem' % V['victim'], 'rb', 0) as file:\n"
        "    file.seek(V['address']); tell(file.read(V['length']).decode())",
    ),
    _of(
        "read a process's memory by a system call",
        _TAKEN,
        "place = ctypes.create_string_buffer(V['length'])\n"
        "class Part(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]\n"
        "here, there = Part(ctypes.addressof(place), V['length']), Part(V['address'], V['length'])\n"
        "got = libc.process_vm_readv(V['victim'], ctypes.byref(here), 1, ctypes.byref(there), 1, 0)\n"
        "if got < 0: raise OSError(ctypes.get_errno(), 'process_vm_readv')\ntell(place.raw.decode())",
    ),
    _of(
        "read what a process holds open",
        _TAKEN,
        "tell(read('/proc/%d/fd/%d' % (V['victim'], V['descriptor'])))",
    ),
    _of(
        "take a descriptor out of a process",
        _TAKEN,
        f"handle = call({NUMBERS['pidfd_open']}, V['victim'], 0)\n"
        f"taken = call({NUMBERS['pidfd_getfd']}, handle, V['descriptor'], 0)\n"
        "os.lseek(taken, 0, 0); tell(os.read(taken, 999).decode())",
    ),
    _of(
        "stop a process with a debugger's call",
        _HIT,
        f"call({NUMBERS['ptrace']}, 16, V['victim'], 0, 0); time.sleep(0.3)\n"
        "with open('/proc/%d/mem' % V['victim'], 'rb', 0) as file:\n"
        "    file.seek(V['address']); tell(file.read(V['length']).decode())",
    ),
    _of("read shared memory of the host", _TAKEN, _SEGMENT),
    _of(
        "read shared memory of the host in a sandbox that shares its namespace",
        _TAKEN,
        _SEGMENT,
        where=Without("the namespace of shared memory"),
    ),
    _of("kill a process outside by its id", _HIT, "os.kill(V['victim'], 9); time.sleep(0.2)", victim_is_dead),
    _of(
        "kill a process outside through a handle of it",
        _HIT,
        f"call({NUMBERS['pidfd_send_signal']}, call({NUMBERS['pidfd_open']}, V['victim'], 0), 9, 0, 0); "
        f"time.sleep(0.2)",
        victim_is_dead,
    ),
    _of(
        "kill everything that may be killed",
        _HIT,
        "for pid in range(2, 1 << 16):\n    if pid != os.getpid():\n        try: os.kill(pid, 9)\n"
        "        except OSError: pass\ntime.sleep(0.2)",
        victim_is_dead,
        prepare=_alone,
    ),
    _of("kill everything of the uid at once", _HIT, "os.kill(-1, 9); time.sleep(0.2)", victim_is_dead, prepare=_alone),
    _of(
        "make a process outside stand still",
        _HIT,
        "os.kill(V['victim'], signal.SIGSTOP); time.sleep(0.3)",
        seen_meanwhile,
        meanwhile=_stopped,
    ),
    _of(
        "lower the priority of a process outside",
        _HIT,
        "os.setpriority(os.PRIO_PROCESS, V['victim'], 5)",
        _NICE_SEEN,
        prepare=_NICE,
    ),
    _of(
        "lower the priority of all processes of the uid",
        _HIT,
        "os.setpriority(os.PRIO_USER, V['uid'], 6)",
        _NICE_SEEN,
        prepare=_for_one_alone(_NICE),
    ),
    _of(
        "take processors from a process outside",
        _HIT,
        "os.sched_setaffinity(V['victim'], {min(os.sched_getaffinity(0))})",
        _CPUS_SEEN,
        prepare=_CPUS,
        may_lack="this machine has one processor",
    ),
    _of(
        "lower a limit of a process outside",
        _HIT,
        "resource.prlimit(V['victim'], resource.RLIMIT_NOFILE, (64, 64))",
        _FILES_SEEN,
        prepare=_FILES,
    ),
    _of(
        "have a process outside killed first when memory runs out",
        _HIT,
        "with open('/proc/%d/oom_score_adj' % V['victim'], 'w') as file: file.write('999')",
        _SCORE_SEEN,
        prepare=_SCORE,
    ),
    _of(
        "forge how the run ended through the sandbox's own pipe",
        "the reported exit code is not the program's",
        "for link in glob.glob('/proc/[0-9]*/fd/*'):\n    try:\n"
        "        if 'pipe:' not in os.readlink(link) and 'supervisor' not in os.readlink(link): continue\n"
        "        if os.readlink(link) == os.readlink('/proc/self/fd/1'): continue\n"
        "        handle = os.open(link, os.O_WRONLY | os.O_NONBLOCK)\n"
        "        os.write(handle, b'{\"exit-code\": 0}' + bytes([10]) + b'exit 0' + bytes([10]))\n"
        "        won('a pipe that is not its own')\n"
        "    except OSError: pass\n"
        "for name in ('report', 'hold', 'output') if V['inside'] else ():\n"
        "    try: os.close(os.open('/run/supervisor/' + name, os.O_RDWR | os.O_NONBLOCK)); won(name)\n"
        "    except OSError: pass",
        proof_was_left,
        prepare=_for_one_alone(_hold_pipe),
    ),
    _of(
        "search the memory of every process there is",
        "what a worker knows is in the memory of a process that is in view",
        "for pid in [int(name) for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()]:\n"
        "    try:\n        lines = open('/proc/%d/maps' % pid).read().splitlines()\n"
        "        memory = open('/proc/%d/mem' % pid, 'rb', 0)\n    except OSError: continue\n"
        "    for line in lines:\n        start, _, end = line.split()[0].partition('-')\n"
        "        try:\n            memory.seek(int(start, 16)); "
        "data = memory.read(min(int(end, 16) - int(start, 16), 1 << 22))\n"
        "        except (OSError, OverflowError, ValueError): continue\n"
        "        at = data.find(b'can' + b'ary-')\n        if at >= 0: tell(data[at:at + 40].decode(errors='replace'))",
        prepare=_for_one_alone(_worker_knows),
    ),
)
