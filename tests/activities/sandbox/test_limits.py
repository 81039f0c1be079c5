"""Each limit, reached on purpose by a program that does not want to end."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.sandbox.backend import Backend, Enforceable, ProbeFailed
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import BubblewrapSandboxes, HostSandboxes
from activities.sandbox.runs import LeaseTerms, Runs
from activities.sandbox.stage import stage_runtime
from tests.activities.sandbox.cell import Cell, bubblewrap_alone
from workflows.models.limits import MIB, Grade, LimitGrades, Limits
from workflows.models.run import RunEnd

FOR_EVER = "while :; do sleep 1; done"


async def test_a_run_that_never_ends_is_ended_at_its_deadline_with_its_output(cell: Cell) -> None:
    status, output = await cell.shell(f"trap '' TERM INT; echo began; {FOR_EVER}", wall_seconds=0.5)
    assert (status.end, status.exit_code, output) == (RunEnd.DEADLINE, None, b"began\n")
    assert "longer than 0.5 seconds" in status.detail
    assert 0.5 <= status.usage.wall_seconds < 5


@pytest.mark.parametrize(
    "grow",
    [
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
        "import os\nfile = os.memfd_create('x')\nwhile True: os.write(file, bytes(1 << 20))",
        "file = open('/tmp/x', 'wb')\nwhile True: file.write(bytes(1 << 20))",
        "import os\nfile = open('/dev/shm/x', 'wb'); os.unlink('/dev/shm/x')\n"
        "try:\n    while True: file.write(bytes(1 << 20))\nexcept OSError: pass\n"
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
    ],
    ids=["heap", "memory file", "tmp", "shared memory"],
)
async def test_memory_beyond_the_limit_ends_the_run(cell: Cell, grow: str) -> None:
    status, _ = await cell.python(grow, memory_bytes=96 * MIB, scratch_bytes=512 * MIB, file_bytes=1024 * MIB)
    assert status.end is RunEnd.MEMORY, status
    assert str(96 * MIB) in status.detail


@bubblewrap_alone
@pytest.mark.parametrize(
    "grow",
    [
        "for number in range(10**7): open(f'/tmp/{number:0200}', 'w').close()",
        "import socket\nkept = []\n"
        "while True:\n    pair = socket.socketpair()\n    kept.append(pair)\n    pair[0].setblocking(False)\n"
        "    try:\n        while True: pair[0].send(bytes(65536))\n    except BlockingIOError: pass",
    ],
    ids=["names", "sockets"],
)
async def test_memory_that_only_the_kernel_holds_counts_without_a_control_group(
    cell: Cell, backend: Backend, grow: str
) -> None:
    limits = Limits(wall_seconds=30, memory_bytes=96 * MIB)
    spec = SandboxSpec(run_id=f"{cell.token}-watched", command=("python3", "-c", grow), limits=limits, uid=cell.uid)
    runs = Runs(cell.runs, backend, LeaseTerms(600, 600))
    assert runs.make(spec, runs.launch(spec, cell.uid, Enforceable(LimitGrades())))
    runs.lease.touch()
    status, _ = await cell.end(spec.run_id)
    assert status.end is RunEnd.MEMORY, status


async def test_memory_shared_out_over_many_processes_counts_together(cell: Cell) -> None:
    code = "import os, time\nfor _ in range(3): os.fork()\nkept = bytearray(os.urandom(1)) * (20 << 20)\ntime.sleep(60)"
    status, _ = await cell.python(code, memory_bytes=96 * MIB)
    assert status.end is RunEnd.MEMORY, status


@pytest.mark.parametrize(
    "bomb",
    [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "import threading, time\nwhile True:\n"
        "    try: threading.Thread(target=time.sleep, args=(60,)).start()\n    except RuntimeError: pass",
    ],
    ids=["processes", "threads"],
)
async def test_a_fork_bomb_ends_the_run_and_spares_the_host(cell: Cell, bomb: str) -> None:
    status, _ = await cell.python(bomb, processes=40)
    assert status.end is RunEnd.PROCESSES, status
    assert "more than 40 processes" in status.detail


async def test_as_many_processes_as_promised_can_be_had(cell: Cell) -> None:
    assert (await cell.shell("for _ in $(seq 39); do sleep 0.3 & done; wait; echo ok", processes=40))[1] == b"ok\n"


async def test_a_flood_of_output_ends_the_run_and_what_fits_is_kept(cell: Cell) -> None:
    run_id = await cell.start("yes", output_bytes=MIB)
    status, output = await cell.end(run_id)
    assert status.end is RunEnd.OUTPUT
    assert output == b"y\n" * (MIB // 2)
    assert status.usage.output_bytes == MIB


FILL = {
    "one file": "file = open('/work/x', 'wb')\nfor _ in range(64): file.write(bytes(1 << 20)); file.flush()",
    "many files": "for n in range(64): open(f'/work/{n}', 'wb').write(bytes(1 << 20))",
    "deleted but open": "file = open('/work/x', 'wb'); os.unlink('/work/x')\n"
    "for _ in range(64): file.write(bytes(1 << 20)); file.flush()",
    "empty files": "for n in range(8000): open(f'/work/{n}', 'wb').close()",
    "deep below": "for n in range(64):\n    os.mkdir('d'); os.chdir('d'); open('x', 'wb').write(bytes(1 << 20))",
    "too deep to look": "for n in range(2000): os.mkdir('d'); os.chdir('d')",
}


@pytest.mark.parametrize("fill", FILL.values(), ids=FILL)
async def test_a_workspace_that_grows_too_much_ends_the_run(cell: Cell, fill: str) -> None:
    code = f"import os, time\nos.chdir('/work')\n{fill}\nprint('filled', flush=True)\ntime.sleep(60)"
    status, _ = await cell.python(code, disk_bytes=16 * MIB)
    assert status.end is RunEnd.DISK, status


@pytest.fixture
def in_memory(cell: Cell) -> Iterator[Path]:
    """A workspace on a file system of its own, as far as a normal user can have one."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm")
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/dev/shm"))
    cell.own(path)
    yield path
    for directory in (path, *path.iterdir()):
        directory.chmod(0o700)
    shutil.rmtree(path)


async def test_segments_of_shared_memory_that_nobody_counts_are_small(cell: Cell) -> None:
    status, output = await cell.python(
        "import ctypes, errno\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for size in (56, 16 << 10, (16 << 10) + 1, 1 << 30):\n"
        "    got = libc.shmget(0, ctypes.c_size_t(size), 0o600) >= 0\n"
        "    print(got or errno.errorcode[ctypes.get_errno()])\n"
    )
    assert (status.end, output.split()) == (RunEnd.EXITED, [b"True", b"True", b"ENOSPC", b"ENOSPC"])


async def test_space_is_taken_by_writing_so_that_whoever_watches_it_sees_it_grow(cell: Cell) -> None:
    """Set aside in one call, a disk is full before anybody has looked."""
    status, output = await cell.python(
        "import ctypes, errno, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "file = os.open('/work/x', os.O_CREAT | os.O_RDWR)\n"
        "libc.fallocate(file, 0, ctypes.c_long(0), ctypes.c_long(1 << 20))\n"
        "print(errno.errorcode[ctypes.get_errno()])\n"
        "os.posix_fallocate(file, 0, 1 << 20)\n"
        "print(os.fstat(file).st_size)\n"
    )
    assert (status.end, output.split()) == (RunEnd.EXITED, [b"ENOTSUP", b"1048576"])


async def test_a_directory_that_was_closed_hides_nothing(cell: Cell, in_memory: Path) -> None:
    code = (
        "import os, time\nos.mkdir('/work/closed')\nfor n in range(64): "
        "open(f'/work/closed/{n}', 'wb').write(bytes(1 << 20))\nos.chmod('/work/closed', 0)\ntime.sleep(60)"
    )
    status, _ = await cell.python(code, disk_bytes=16 * MIB, workspace=in_memory)
    assert status.end is RunEnd.DISK, status


async def test_growth_within_the_limit_is_left_alone(cell: Cell) -> None:
    (cell.workspace / "there before").write_bytes(bytes(32 * MIB))
    code = "import time\nopen('/work/x', 'wb').write(bytes(8 << 20))\ntime.sleep(0.6)"
    status, _ = await cell.python(code, disk_bytes=16 * MIB)
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 0)


async def test_a_file_with_many_names_counts_once(cell: Cell) -> None:
    code = """
import os, time
open('/work/x', 'wb').write(bytes(4 << 20))
for n in range(50): os.link('/work/x', f'/work/{n}')
time.sleep(0.6)
"""
    status, _ = await cell.python(code, disk_bytes=16 * MIB)
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 0)


async def test_a_single_file_cannot_outgrow_its_limit(cell: Cell) -> None:
    assert cell.sandboxes.grades().file is Grade.KERNEL
    status, _ = await cell.shell("head -c 10M /dev/zero > x", file_bytes=MIB)
    assert status.exit_code == 128 + 25  # SIGXFSZ
    assert (cell.workspace / "x").stat().st_size == MIB


async def test_scratch_space_is_no_larger_than_promised(cell: Cell) -> None:
    assert cell.sandboxes.grades().scratch is Grade.KERNEL
    status, output = await cell.shell(
        "for place in /tmp $HOME; do head -c 3M /dev/zero > $place/x; stat -c %s $place/x; done", scratch_bytes=2 * MIB
    )
    assert status.end is RunEnd.EXITED
    assert [line for line in output.split(b"\n") if line.isdigit()] == [str(2 * MIB).encode()] * 2


async def test_processor_time_is_shared_out_as_promised(cell: Cell) -> None:
    if cell.sandboxes.grades().cpus is not Grade.KERNEL:
        pytest.skip("this host gives us no cgroup with a processor quota, and the grade says so")
    code = "import os, time\nos.fork()\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass"
    status, _ = await cell.python(code, cpus=0.2)
    assert status.usage.cpu_seconds < 0.8


def test_every_promised_limit_is_graded(cell: Cell) -> None:
    grades = cell.sandboxes.grades()
    assert Grade.NONE not in {grades.wall, grades.memory, grades.processes, grades.disk, grades.output}
    assert {grades.network, grades.file, grades.scratch} == {Grade.KERNEL}


def test_a_machine_that_is_busy_when_it_is_asked_keeps_its_limit_on_processors(
    cell: Cell, state: Path, backend: Backend
) -> None:
    if cell.sandboxes.grades().cpus is not Grade.KERNEL:
        pytest.skip("this host gives us no cgroup with a processor quota, and the grade says so")
    spin = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(6 * (os.cpu_count() or 1))]
    try:
        assert HostSandboxes(state / "runs", backend).grades().cpus is Grade.KERNEL
    finally:
        for each in others:
            each.kill()
            each.wait()


def test_a_host_that_was_out_of_touch_for_long_still_finds_out_what_its_limits_are(
    state: Path, backend: Backend
) -> None:
    sandboxes = HostSandboxes(state / "runs", backend)
    (state / "runs" / "lease").touch()
    os.utime(state / "runs" / "lease", (time.time() - 86400,) * 2)
    grades = sandboxes.grades()
    assert {grades.network, grades.file, grades.scratch} == {Grade.KERNEL}


def test_a_probe_that_fails_says_so_and_is_made_again(state: Path) -> None:
    stage = stage_runtime(state)
    sandboxes = BubblewrapSandboxes(state / "runs", stage)
    away = stage.bubblewrap.rename(stage.bubblewrap.with_name("away"))
    with pytest.raises(ProbeFailed, match="the probe failed"):
        sandboxes.grades()
    assert sandboxes.known_runs() == ()
    away.rename(stage.bubblewrap)
    assert sandboxes.grades().network is Grade.KERNEL
