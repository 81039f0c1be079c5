"""Memory, processes, disk, output: more of each than a sandbox may have, in every way that was found."""

from typing import Any

from tests.containment.attempt import Attempt
from tests.containment.inside import AsRoot, InNamespaces, Inside, Lifted, Observe, OnHost
from tests.containment.inside import Control as Where
from tests.containment.observers import finished_beyond, proof_was_left
from workflows.models.limits import MIB

_SMALL_MEMORY = {"memory_bytes": 96 * MIB, "scratch_bytes": 256 * MIB, "file_bytes": 256 * MIB}
_WIDE_MEMORY = Lifted(memory_bytes=1024 * MIB)
_SMALL_DISK = {"disk_bytes": 16 * MIB}
_WIDE_DISK = Lifted(disk_bytes=1024 * MIB)
_FEW = {"processes": 24}
_MANY = Lifted(processes=200)
_KEPT_ON = "it goes on with more than it may have"
_HOLD = "time.sleep(1.5); won('%s')"
"""Long enough for whoever watches several times a second, and short enough for a suite."""


def _of(
    name: str, script: str, limits: dict[str, Any], where: Where, observe: Observe = finished_beyond,
    success: str = _KEPT_ON, grade: str = "", may_lack: str = "",
) -> Inside:  # fmt: skip
    return Inside(
        name=name, group="resources", success=success, script=script, observe=observe, where=where, limits=limits,
        grade=grade, may_lack=may_lack,
    )  # fmt: skip


def _memory(name: str, script: str) -> Inside:
    return _of(name, f"{script}\n{_HOLD % '160 MiB'}", _SMALL_MEMORY, _WIDE_MEMORY)


def _disk(name: str, script: str) -> Inside:
    return _of(name, f"{script}\n{_HOLD % 'more than 16 MiB'}", _SMALL_DISK, _WIDE_DISK)


def _processes(name: str, script: str) -> Inside:
    return _of(name, f"{script}\n{_HOLD % '60 at a time'}", _FEW, _MANY)


ATTEMPTS: tuple[Attempt, ...] = (
    _memory("take memory", "kept = [bytearray(b'x' * (1 << 20)) for _ in range(160)]"),
    _memory(
        "take memory without a process of its own (memory file)",
        ("file = os.memfd_create('x')\nfor _ in range(160): os.write(file, bytes(1 << 20))"),
    ),
    _memory(
        "take memory in a memory file that is mapped and closed",
        (
            "file = os.memfd_create('x'); os.ftruncate(file, 160 << 20); "
            "place = mmap.mmap(file, 160 << 20); os.close(file)\n"
            "for at in range(0, 160 << 20, 4096): place[at] = 1"
        ),
    ),
    _memory(
        "take memory as files in /tmp",
        ("with open('/tmp/x', 'wb') as file:\n    for _ in range(160): file.write(bytes(1 << 20))"),
    ),
    _memory(
        "take memory as files in the home",
        ("with open(os.environ['HOME'] + '/x', 'wb') as file:\n    for _ in range(160): file.write(bytes(1 << 20))"),
    ),
    _memory(
        "take memory partly in shared memory, deleted, and partly in its own",
        (
            "file = open('/dev/shm/x', 'wb'); os.unlink('/dev/shm/x')\n"
            "for _ in range(56): file.write(bytes(1 << 20))\nfile.flush()\n"
            "kept = [bytearray(b'x' * (1 << 20)) for _ in range(104)]"
        ),
    ),
    _memory(
        "take memory shared out over several processes",
        ("for _ in range(2): os.fork()\nkept = bytearray(os.urandom(1)) * (40 << 20)\nif False: pass"),
    ),
    _of(
        "take memory in segments that outlive their process",
        "libc.shmat.restype = ctypes.c_void_p\nfor _ in range(10):\n    child = os.fork()\n    if child == 0:\n"
        "        segment = libc.shmget(0, 16 << 20, 0o600)\n        if segment < 0: os._exit(1)\n"
        "        place = libc.shmat(segment, None, 0)\n        ctypes.memset(place, 1, 16 << 20); os._exit(0)\n"
        f"    if os.waitpid(child, 0)[1]: raise OSError('no segment was to be had')\n{_HOLD % '160 MiB'}",
        _SMALL_MEMORY,
        InNamespaces(),
    ),
    _memory(
        "take memory as names in scratch space",
        ("for number in range(130000): os.close(os.open('/tmp/%0200d' % number, os.O_CREAT))"),
    ),
    _memory(
        "take memory in sockets that nobody reads",
        (
            "kept = []; most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
            "raise_limit(resource.RLIMIT_NOFILE, most)\nfor _ in range(800):\n"
            "    pair = socket.socketpair(); kept.append(pair); pair[0].setblocking(False)\n"
            "    try:\n        while True: pair[0].send(bytes(65536))\n    except BlockingIOError: pass"
        ),
    ),
    _processes(
        "start processes without end", ("for _ in range(60):\n    if os.fork() == 0: time.sleep(4); os._exit(0)")
    ),
    _processes(
        "start threads without end",
        (
            "try:\n    for _ in range(60): threading.Thread(target=time.sleep, args=(4,), daemon=True).start()\n"
            "except RuntimeError as error: raise OSError(str(error))"
        ),
    ),
    _processes(
        "start processes that lose their parents",
        (
            "for _ in range(60):\n    child = os.fork()\n    if child == 0:\n"
            "        if os.fork() == 0: os.setsid(); time.sleep(4)\n"
            "        os._exit(0)\n    os.waitpid(child, 0)"
        ),
    ),
    _of(
        "raise the limit on processes",
        "raise_limit(resource.RLIMIT_NPROC, 4096)\nfor _ in range(60):\n"
        f"    if os.fork() == 0: time.sleep(4); os._exit(0)\n{_HOLD % '60 at a time'}",
        _FEW,
        AsRoot(),
    ),
    _disk(
        "fill the disk with one file",
        ("with open('x', 'wb') as file:\n    for _ in range(48): file.write(bytes(1 << 20))"),
    ),
    _disk("fill the disk with many files", "for n in range(48): open('f%d' % n, 'wb').write(bytes(1 << 20))"),
    _disk(
        "fill the disk with a file that has no name",
        ("file = open('x', 'wb'); os.unlink('x')\nfor _ in range(48): file.write(bytes(1 << 20))\nfile.flush()"),
    ),
    _disk("fill the disk with empty files", "for n in range(9000): os.close(os.open('n%d' % n, os.O_CREAT))"),
    _disk(
        "fill the disk far down",
        ("for n in range(48):\n    os.mkdir('d'); os.chdir('d'); open('x', 'wb').write(bytes(1 << 20))"),
    ),
    _disk(
        "fill the disk without writing (fallocate)",
        "file = os.open('x', os.O_CREAT | os.O_WRONLY); os.posix_fallocate(file, 0, 48 << 20)",
    ),
    _disk(
        "fill the disk where nobody may look",
        (
            "os.mkdir('closed')\nfor n in range(48): open('closed/%d' % n, 'wb').write(bytes(1 << 20))\n"
            "os.chmod('closed', 0)"
        ),
    ),
    _of(
        "nest directories deeper than anybody counts",
        f"for n in range(1200): os.mkdir('d'); os.chdir('d')\n{_HOLD % '1200 levels'}",
        _SMALL_DISK,
        OnHost(),
    ),
    _of(
        "write a file larger than any may be",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with open('x', 'wb', 0) as file:\n    for _ in range(8): file.write(bytes(1 << 20))\n"
        "os.stat('x').st_size > 4 << 20 and won('a file of 8 MiB')",
        {"file_bytes": 4 * MIB},
        Lifted(file_bytes=64 * MIB),
    ),
    _of(
        "raise the limit on the size of a file",
        "raise_limit(resource.RLIMIT_FSIZE, (1 << 64) - 1)\n"
        "with open('x', 'wb', 0) as file:\n    for _ in range(8): file.write(bytes(1 << 20))\nwon('a file of 8 MiB')",
        {"file_bytes": 4 * MIB},
        AsRoot(),
    ),
    _of(
        "put more into scratch space than it has",
        "with open('/tmp/x', 'wb', 0) as file:\n    for _ in range(12): file.write(bytes(1 << 20))\nwon('12 MiB')",
        {"scratch_bytes": 4 * MIB},
        Lifted(scratch_bytes=64 * MIB),
    ),
    _of(
        "put more into shared memory than it has",
        "with open('/dev/shm/x', 'wb', 0) as file:\n    for _ in range(80): file.write(bytes(1 << 20))\nwon('80 MiB')",
        {"memory_bytes": 512 * MIB},
        AsRoot(),
    ),
    _of(
        "print without end",
        "for _ in range(8): sys.stdout.write('y' * (1 << 20))\n"
        "sys.stdout.flush(); time.sleep(0.4); won('8 MiB of output')",
        {"output_bytes": MIB},
        Lifted(output_bytes=64 * MIB),
    ),
    _of(
        "print without end from a process in the background",
        "if os.fork() == 0:\n    os.setsid()\n    for _ in range(8): sys.stdout.write('y' * (1 << 20))\n"
        "    sys.stdout.flush(); time.sleep(3); os._exit(0)\ntime.sleep(1); won('8 MiB of output')",
        {"output_bytes": MIB},
        Lifted(output_bytes=64 * MIB),
    ),
    _of(
        "open more files than a process may",
        "raise_limit(resource.RLIMIT_NOFILE, 40000)\n"
        "kept = [os.open('/dev/null', os.O_RDONLY) for _ in range(20000)]; won('20000 open files')",
        {},
        AsRoot(),
        proof_was_left,
        may_lack="this machine lets no process open so many",
    ),
    _of(
        "leave a core that whoever collects them takes in",
        "raise_limit(resource.RLIMIT_CORE, 1 << 20); won('cores are on')",
        {},
        AsRoot(),
        proof_was_left,
        "a core is dumped by the host's kernel, with what the host does about cores",
    ),
    _of(
        "go before everybody else at the processor",
        "os.nice(-10); won('a priority of its own choice')",
        {},
        AsRoot(),
        proof_was_left,
        "it runs before what else is on the host",
    ),
    _of(
        "run at a priority that nothing interrupts",
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)); won('it can not be interrupted')\n"
        "os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))",
        {},
        AsRoot(),
        proof_was_left,
        "it runs before what else is on the host",
    ),
    _of(
        "never be killed when memory runs out",
        "with open('/proc/self/oom_score_adj', 'w') as file: file.write('-500')\nwon('others are killed first')",
        {},
        AsRoot(),
        proof_was_left,
        "when memory runs out, others are killed",
        may_lack="this machine lets not even root do that",
    ),
    _of(
        "use a processor more than promised",
        "began = time.process_time(); end = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass\n"
        "used = time.process_time() - began\nif used > 0.45: won('%.1f s of 1.5' % used)",
        {"cpus": 0.1},
        Lifted(cpus=4),
        grade="cpus",
    ),
)
