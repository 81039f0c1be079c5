"""A workspace with sandboxes in it, and a look at what they leave on the host."""

import asyncio
import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from activities.sandbox import processes, run_directory
from activities.sandbox.cgroups import Cgroup
from activities.sandbox.contract import Mount, RunStatus, SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.launch import BubblewrapLaunch, Launch
from activities.sandbox.run_directory import RunDirectory
from activities.sandbox.uids import SHARED
from tests.support.engines import HERE, Engine
from workflows.models.limits import MIB, Limits
from workflows.models.run import RunEnd

T = TypeVar("T")
PATIENCE = 20.0
TOKEN = "JM_CELL"
bubblewrap_alone = pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
container_alone = pytest.mark.parametrize("kind", HERE, indirect=True)
SMALL: dict[str, Any] = {"wall_seconds": 30, "scratch_bytes": 32 * MIB}


async def eventually(look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Look until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)
    return found


class Cell:
    """One workspace, and runs in it that are told apart by a variable in their environment."""

    def __init__(self, sandboxes: HostSandboxes, runs: Path, name: str, engine: Engine | None = None) -> None:
        self.sandboxes = sandboxes
        self.runs = runs
        self.engine = engine
        self.token = f"{name[:40]}-{os.urandom(4).hex()}"
        self.uid = sandboxes.take_uid()
        self.workspace = runs.parent / self.token
        self.workspace.mkdir(mode=0o700)
        self.own(self.workspace)
        self._ids = (f"{self.token}-{number}" for number in itertools.count(1))

    @property
    def inside_uid(self) -> int:
        """What a program inside takes itself for: bubblewrap maps its uid, a container's engine does not."""
        return 1000 if self.engine is None else self.uid or os.geteuid()

    def first_process(self, run_id: str) -> int:
        """The one whose death is the end of the sandbox, as this host numbers it."""
        if self.engine is None:
            (outer,) = [one for one in processes.all_processes().values() if one.parent == self.supervisor(run_id)]
            return outer.pid
        return self.directory(run_id).living(self.directory(run_id).sandbox) or 0

    def own(self, path: Path) -> None:
        """Give a path to the uid of the sandbox, where it has one."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def spec(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        egress: Path | None = None,
        workspace: Path | None = None,
        mounts: Sequence[Mount] = (),
        **limits: Any,
    ) -> SandboxSpec:
        return SandboxSpec(
            run_id=next(self._ids),
            command=command,
            environment={TOKEN: self.token, **(environment or {})},
            workspace=workspace or self.workspace,
            mounts=tuple(mounts),
            limits=Limits(**{**SMALL, **limits}),
            egress=egress,
            uid=self.uid,
        )

    async def run(self, *command: str, **given: Any) -> tuple[RunStatus, bytes]:
        return await self.sandboxes.run(self.spec(*command, **given))

    async def shell(self, script: str, **given: Any) -> tuple[RunStatus, bytes]:
        return await self.run("bash", "-c", script, **given)

    async def python(self, code: str, **given: Any) -> tuple[RunStatus, bytes]:
        return await self.run("python3", "-I", "-S", "-c", code, **given)

    async def ask(self, code: str, **given: Any) -> Any:
        """What the code prints as JSON."""
        status, output = await self.python(code, **given)
        assert (status.end, status.exit_code) == (RunEnd.EXITED, 0), (status, output.decode(errors="replace"))
        return json.loads(output)

    async def start(self, *command: str, **given: Any) -> str:
        """Start it and return its run id."""
        spec = self.spec(*command, **given)
        await self.sandboxes.start(spec)
        return spec.run_id

    async def end(self, run_id: str, offset: int = 0) -> tuple[RunStatus, bytes]:
        """Follow a run to its end."""
        return await follow(self.sandboxes, run_id, offset)

    def directory(self, run_id: str) -> RunDirectory:
        return RunDirectory(self.runs / run_id)

    def output(self, run_id: str) -> bytes:
        file = self.directory(run_id).output
        return file.read_bytes() if file.exists() else b""

    async def says(self, run_id: str, word: bytes) -> None:
        await eventually(lambda: word in self.output(run_id), f"{run_id} says {word!r}")

    def supervisor(self, run_id: str) -> int:
        pid = self.directory(run_id).living(self.directory(run_id).supervisor)
        assert pid, "the run has no supervisor"
        return pid

    def run_ids(self) -> list[str]:
        return [run_id for run_id in self.sandboxes.known_runs() if run_id.startswith(self.token)]

    def cgroups(self) -> list[str]:
        """The cgroup directories of all runs in this cell that are there."""
        found = []
        for run_id in self.run_ids():
            content = run_directory.read(self.directory(run_id).launch)
            launch = Launch.from_json(content) if content else None
            place = BubblewrapLaunch.of(launch).cgroup if launch and launch.backend == "bubblewrap" else None
            if launch and place:
                found += [path for path in Cgroup.of(place, launch.mark).directories() if Path(path).exists()]
        return found

    def processes(self) -> list[str]:
        """Everything alive that belongs to a run of this cell: supervisors, bubblewrap, and whatever is inside."""
        found = []
        marks = [self.token.encode()]
        for run_id in self.run_ids():
            content = run_directory.read(self.directory(run_id).launch)
            marks += [content["mark"].encode()] if content else []
        for pid in processes.all_processes():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                owner = Path(f"/proc/{pid}").stat().st_uid
            except OSError:
                continue
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                environment = b""
            marked = any(mark in command for mark in marks) or f"{TOKEN}={self.token}".encode() in environment
            if pid != os.getpid() and (marked or (self.uid is not None and owner == self.uid)):
                found.append(f"{pid} {command.decode(errors='replace')}")
        return found

    def containers(self) -> list[str]:
        """The containers of all runs in this cell that are there, dead or alive."""
        named = self.engine.runs() if self.engine else []
        return [name for name in named if name.startswith(self.token)]

    def traces(self) -> list[str]:
        """What of ended runs is on the host beside their directories; the workspace's own uid is meant to stay."""
        uids = []
        if SHARED.is_dir() and os.access(SHARED, os.R_OK):
            mine = {str(self.runs / ".uids" / str(self.uid))}
            for file in SHARED.glob("2*"):
                owner = file.read_text() if file.exists() else ""
                if owner.startswith(str(self.runs)) and owner not in mine:
                    uids.append(f"uid {owner}")
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if self.token in line]
        return [*self.processes(), *self.containers(), *self.cgroups(), *mounts, *uids]

    async def close(self) -> None:
        """End and forget every run. Fails if anything of them remains."""
        live = set(self.sandboxes.live_runs())
        for run_id in self.run_ids():
            if run_id in live:
                await self.sandboxes.stop(run_id, "the test is over")
        remaining: list[str] = []

        def clean() -> bool:
            remaining[:] = [*self.processes(), *self.cgroups(), *self.containers()]
            return not remaining

        try:
            await eventually(clean, "everything of the runs is gone", 5)
        except AssertionError as error:
            raise AssertionError(f"remains after the end: {remaining}") from error
        for run_id in self.run_ids():
            await self.sandboxes.forget(run_id)
        assert not (traces := self.traces()), f"is left on the host: {traces}"
        self.sandboxes.give_back_uid(self.uid)
        # Not rmtree, which gives up on a tree that is nested deeper than Python's stack.
        await asyncio.to_thread(lambda: subprocess.run(["rm", "-rf", self.workspace], check=True))


async def follow(sandboxes: HostSandboxes, run_id: str, offset: int = 0) -> tuple[RunStatus, bytes]:
    """Follow a run to its end, by whichever of the objects on its directory."""
    output = bytearray()

    async def keep(data: bytes, after: int) -> None:
        output.extend(data)
        assert after == offset + len(output)

    return await sandboxes.follow(run_id, offset, keep), bytes(output)
