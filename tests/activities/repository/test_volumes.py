"""A workspace that is a file system of its own: the kernel holds its size, and it is handed on like any other."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.repository.volumes import VolumeFailed, Volumes
from activities.repository.workspace import Workspaces, objects_mount
from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.container.backend import ContainerBackend
from activities.sandbox.contract import RunStatus, SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import Stage
from tests.activities.repository.test_export import Bench
from tests.support.engines import BASE, HERE, WHY_NONE, serving
from workflows.models.limits import MIB, Grade, Limits
from workflows.models.run import RunEnd


def _why_not() -> str:
    with tempfile.TemporaryDirectory() as place:
        return Volumes(Path(place)).why_not()


_WHY = _why_not()
pytestmark = pytest.mark.skipif(bool(_WHY), reason=f"no file system can be mounted here: {_WHY}")
ROOM = 24 * MIB


class SizedBench(Bench):
    """With a workspace that has room for 24 MiB more than it begins with."""

    def __init__(self, state: Path, stage: Stage) -> None:
        super().__init__(state, stage)
        self.sandboxes = HostSandboxes(state / "sized-runs", BubblewrapBackend(stage), sized_workspaces=True)
        self.workspaces = Workspaces(state / "workspaces", self.git, sized=True)

    async def start(self) -> None:
        self.mirror = await self.mirrors.refresh(self.url)
        self.base = await self.mirrors.resolve(self.mirror, "main")
        self.work = await self.workspaces.create(
            "t1-1", self.mirror, commit=self.base, tree=f"{self.base}^{{tree}}", uid=self.uid, room_bytes=ROOM
        )

    async def run(self, script: str, disk_bytes: int = ROOM) -> tuple[RunStatus, bytes]:
        spec = SandboxSpec(
            run_id=f"run-{os.urandom(4).hex()}",
            command=("sh", "-c", script),
            workspace=self.work,
            mounts=(objects_mount(self.mirror),),
            limits=Limits(wall_seconds=30, disk_bytes=disk_bytes),
            uid=self.uid,
        )
        return await self.sandboxes.run(spec)


@pytest.fixture
def nothing_is_left(state: Path) -> Iterator[None]:
    yield
    assert mounts(state) == []
    assert str(state) not in subprocess.run(["losetup", "--list"], capture_output=True, text=True, check=True).stdout


def mounts(state: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if str(state) in line.split()[4]]


@pytest_asyncio.fixture
async def bench(state: Path, stage: Stage, nothing_is_left: None) -> AsyncIterator[SizedBench]:
    bench = SizedBench(state, stage)
    await bench.start()
    yield bench
    await bench.workspaces.remove("t1-1")
    bench.sandboxes.give_back_uid(bench.uid)


@pytest.mark.parametrize(
    "filling",
    [
        "head -c 999000000 /dev/zero > big",
        "python3 -c \"import os\nf = open('gone', 'wb', 0); os.unlink('gone')\ntry:\n"
        '    while True: f.write(bytes(1 << 20))\nexcept OSError: import time; time.sleep(20)"',
        "python3 -c \"n = 0\nwhile True: open(str(n), 'w').close(); n += 1\"",
    ],
    ids=["one file", "a file without a name", "empty files"],
)
async def test_the_kernel_refuses_more_than_a_workspace_may_have_and_the_run_ends(
    bench: SizedBench, filling: str
) -> None:
    # The limit that is watched is far away: what ends this is the file system.
    status, _ = await bench.run(f"echo 'x = 2' > calc.py; {filling}; sleep 20", disk_bytes=1 << 40)
    assert status.end is RunEnd.DISK
    assert status.grades.disk is Grade.KERNEL
    held = os.statvfs(bench.work)
    assert held.f_blocks * held.f_frsize < ROOM + 32 * MIB
    done = await bench.exporter.export("t1-1", bench.work, bench.mirror, bench.base, bench.uid)
    changed = await bench.git.run(
        "diff-tree", "-r", "--name-only", bench.base, done.tree, purpose="test", git_dir=bench.mirror.vault
    )
    assert b"calc.py" in changed.split()


@pytest.mark.skipif(not HERE, reason=WHY_NONE)
async def test_a_container_is_held_by_it_too(bench: SizedBench, state: Path, stage: Stage) -> None:
    with serving(HERE[0]) as engine:
        backend = ContainerBackend(stage, socket=str(engine.socket), image=BASE)
        bench.sandboxes = HostSandboxes(state / "container-runs", backend, sized_workspaces=True)
        status, _ = await bench.run("head -c 999000000 /dev/zero > big; sleep 20", disk_bytes=1 << 40)
        assert (status.end, status.grades.disk) == (RunEnd.DISK, Grade.KERNEL)
        assert (bench.work / "big").stat().st_size > ROOM / 2


async def test_a_workspace_has_the_room_that_it_was_promised_and_nothing_of_the_file_system_s_own(
    bench: SizedBench,
) -> None:
    status, output = await bench.run("ls -A; head -c 23000000 /dev/zero > big; ls -l big | wc -l")
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 0), (status, output)
    assert set(output.decode().split()) == {".git", ".gitignore", "calc.py", "src", "1"}


async def test_a_program_with_rights_or_a_device_is_none_in_there(bench: SizedBench) -> None:
    (line,) = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(bench.work) in line]
    assert {"nosuid", "nodev"} <= set(line.split()[5].split(","))


async def test_after_a_restart_of_the_machine_the_work_is_there_again(bench: SizedBench) -> None:
    await bench.run("echo 'x = 3' > calc.py")
    await asyncio.to_thread(lambda: subprocess.run(["umount", bench.work], check=True))
    assert list(bench.work.iterdir()) == []
    again = Workspaces(bench.state / "workspaces", bench.git, sized=True)
    assert (again.path("t1-1") / "calc.py").read_text() == "x = 3\n"
    Workspaces(bench.state / "workspaces", bench.git)
    assert len(mounts(bench.state)) == 1


async def test_a_workspace_that_can_not_be_mounted_again_is_gone_and_not_empty(bench: SizedBench) -> None:
    await asyncio.to_thread(lambda: subprocess.run(["umount", bench.work], check=True))
    image = bench.state / "workspaces-volumes" / "t1-1.ext4"
    image.write_bytes(bytes(100))
    Workspaces(bench.state / "workspaces", bench.git)
    assert not bench.work.exists()


async def test_a_workspace_in_which_somebody_still_works_is_removed_and_its_room_comes_back(
    bench: SizedBench,
) -> None:
    holding = await asyncio.create_subprocess_exec("sleep", "60", cwd=bench.work)
    try:
        await bench.workspaces.remove("t1-1")
        assert not bench.work.exists()
        assert mounts(bench.state) == []
    finally:
        holding.kill()
        await holding.wait()


async def test_workspaces_that_were_made_with_and_without_live_beside_each_other(bench: SizedBench) -> None:
    plain = Workspaces(bench.state / "workspaces", bench.git)
    bench.work = await plain.create(
        "t2-1", bench.mirror, commit=bench.base, tree=f"{bench.base}^{{tree}}", uid=bench.uid
    )
    status, _ = await bench.run("true")
    assert status.grades.disk is Grade.WATCHED
    await bench.workspaces.remove("t2-1")
    await plain.remove("t1-1")
    assert mounts(bench.state) == []


async def test_what_is_only_half_made_is_made_anew(bench: SizedBench) -> None:
    await asyncio.to_thread(lambda: subprocess.run(["umount", bench.work], check=True))
    await bench.start()
    assert (bench.work / "calc.py").exists()
    assert len(mounts(bench.state)) == 1


def test_a_machine_without_its_programs_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "mkfs.ext4 failed" in Volumes(tmp_path / "v").why_not()
    with pytest.raises(VolumeFailed):
        Volumes(tmp_path / "v").make(tmp_path / "x", content_bytes=0, content_files=0, room_bytes=1)
