"""A halt works with whatever else is down: Temporal, the worker, the gateway, all of them."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from activities.sandbox.run_directory import RunDirectory
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Terminal, configure
from tests.workers.terminal import environment, left_of, typed, up
from workers.cli.client import CommandFailed
from workers.embedded import bound_program
from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port, server_command
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.status import Stage, TaskStatus

pytestmark = pytest.mark.xdist_group("halt-alone")
_BUSY = 30.0
"""Seconds for what is promised within five: commands alone take several to load on a machine that is busy."""


class Parts:
    """Temporal, gateway and worker, each a process that can be killed and started again."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.agents = configure(state)
        self.settings = Settings(
            state=state, temporal_address=f"127.0.0.1:{free_port()}", temporal_ui_port=free_port(), capacity=4
        )
        self.here = Terminal(self.settings)
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str) -> None:
        if name == "temporal":
            server = server_command(
                self.state / "temporal.db", self.settings.temporal_address, self.settings.temporal_ui_port, "default"
            )
            command = (sys.executable, "-I", "-S", bound_program.__file__, str(os.getpid()), *server)
        else:
            command = (str(program("journeyman")), name)
        self._processes[name] = await asyncio.create_subprocess_exec(
            *command, env=self.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )

    def environment(self) -> dict[str, str]:
        return environment(
            self.state,
            JOURNEYMAN_TEMPORAL_ADDRESS=self.settings.temporal_address,
            JOURNEYMAN_CAPACITY=str(self.settings.capacity),
        )

    async def serves(self, name: str) -> None:
        """Start a part until it serves: it ends at once while Temporal is not there."""
        async with asyncio.timeout(120):
            while True:
                await self.start(name)
                process = self._processes[name]
                assert process.stdout is not None
                if b"serves" in await process.stdout.readline():
                    return
                await process.wait()

    async def kill(self, *names: str) -> None:
        for name in names:
            process = self._processes.pop(name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        await self.kill(*self._processes)
        await typed(self.state, "down", "--runs")

    def run(self, run_id: str) -> RunDirectory:
        return RunDirectory(next(iter((self.state / "hosts").iterdir())) / "runs" / run_id)

    async def begun(self, repository: Path) -> tuple[str, RunDirectory]:
        """A task whose agent ticks."""
        task = await self.here.ask(repository, "ticker")
        await self.here.reaches(task, Stage.RUN)
        run = self.run(f"{task}-1-1")
        await says_more(run)
        return task, run

    async def reviewed(self, task: str) -> TaskStatus:
        (self.agents / "ticker" / "go").touch()
        async with asyncio.timeout(180):
            while True:
                # Right after a death, queries may still be sent to the worker that is gone.
                with contextlib.suppress(CommandFailed, AssertionError):
                    return (await self.here.reaches(task, Stage.REVIEW)).status


@asynccontextmanager
async def apart(state: Path) -> AsyncIterator[Parts]:
    parts = Parts(state)
    try:
        await parts.start("temporal")
        await parts.serves("gateway")
        await parts.serves("worker")
        yield parts
    finally:
        await parts.close()


async def says_more(run: RunDirectory, seconds: float = 60) -> None:
    said = run.output.stat().st_size if run.output.exists() else 0
    async with asyncio.timeout(seconds):
        while not run.output.exists() or run.output.stat().st_size <= said:
            await asyncio.sleep(0.05)


async def stands_still(run: RunDirectory) -> None:
    async with asyncio.timeout(_BUSY):
        while not run.still.exists():
            await asyncio.sleep(0.05)


async def test_a_halt_works_while_temporal_is_down_and_nothing_is_lost_when_it_is_back(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with apart(state) as parts:
        task, run = await parts.begun(repository)
        await parts.kill("temporal")
        halted = await typed(state, "halt", "--all", "-m", "leak", "--as", "eve")
        assert halted.code == 0, halted.error
        assert "no gateway" not in halted.out
        await stands_still(run)
        # A halt, not the lease that runs out without Temporal.
        assert run.halt.exists()
        await parts.start("temporal")
        resumed = await typed(state, "resume", "--all", "--as", "eve")
        assert resumed.code == 0, resumed.error
        await says_more(run)
        status = await parts.reviewed(task)
        assert status.run is not None
        assert (status.round, status.run.run_id) == (1, f"{task}-1-1")
        await parts.here.decide(task, Action.REJECT)
        await parts.here.reaches(task, Stage.ENDED)


async def test_a_worker_that_is_killed_during_a_halt_leaves_it_standing_and_the_next_lets_it_go_on(
    state: Path,
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with apart(state) as parts:
        task, run = await parts.begun(repository)
        assert (await typed(state, "halt", "--repo", str(repository), "-m", "leak")).code == 0
        await stands_still(run)
        said = run.output.read_bytes()
        await parts.kill("worker")
        await parts.serves("worker")
        assert (run.output.read_bytes(), run.still.exists()) == (said, True)
        await parts.kill("worker", "gateway")
        # Nobody is there who looks, and the command sees to this machine itself.
        alone = await typed(state, "resume", "--repo", str(repository))
        assert alone.code == 0, alone.error
        assert "no gateway answered, so this command put it on record" in alone.out
        await says_more(run)
        await parts.serves("gateway")
        await parts.serves("worker")
        status = await parts.reviewed(task)
        assert status.run is not None
        assert (status.round, status.run.run_id) == (1, f"{task}-1-1")
        await parts.here.decide(task, Action.REJECT)
        await parts.here.reaches(task, Stage.ENDED)


async def test_a_halt_works_on_a_machine_where_up_has_died_with_its_temporal_and_holds_when_it_is_up_again(
    state: Path,
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    agents = configure(state)
    here = Terminal(Settings(state=state))
    async with up(state) as running:
        task = await here.ask(repository, "ticker")
        await here.reaches(task, Stage.RUN)
        run = RunDirectory(next(iter((state / "hosts").iterdir())) / "runs" / f"{task}-1-1")
        await says_more(run)
        running.process.send_signal(signal.SIGKILL)
        await running.process.wait()
    halted = await typed(state, "halt", "--all", "-m", "leak", "--as", "eve")
    assert halted.code == 0, halted.error
    assert "on this machine 1 sandbox stands still now" in halted.out
    await stands_still(run)
    said = run.output.read_bytes()
    assert "eve" in (await typed(state, "halts")).out
    async with up(state):
        shown = await typed(state, "show", task)
        assert "halted (everything) by eve" in shown.out
        assert run.output.read_bytes() == said
        assert (await typed(state, "resume", "--all", "--as", "ada")).code == 0
        await says_more(run)
        (agents / "ticker" / "go").touch()
        status = (await here.reaches(task, Stage.REVIEW)).status
        assert status.run is not None
        assert status.run.run_id == f"{task}-1-1"
        await here.decide(task, Action.REJECT)
        await here.reaches(task, Stage.ENDED)
    assert (await typed(state, "down", "--runs")).code == 0
    assert left_of(state) == []


async def test_a_halt_counts_no_sandbox_whose_processes_were_all_killed(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    configure(state)
    here = Terminal(Settings(state=state))
    async with up(state) as running:
        task = await here.ask(repository, "ticker")
        await here.reaches(task, Stage.RUN)
        await says_more(RunDirectory(next(iter((state / "hosts").iterdir())) / "runs" / f"{task}-1-1"))
        running.process.send_signal(signal.SIGKILL)
        await running.process.wait()
    for process in psutil.process_iter(["cmdline"]):
        if str(state) in " ".join(process.info["cmdline"] or []):
            process.kill()
    async with asyncio.timeout(30):
        while left_of(state):
            await asyncio.sleep(0.05)
    halted = await typed(state, "halt", "--all", "-m", "leak", "--as", "eve")
    assert halted.code == 0, halted.error
    assert "on this machine nothing stands still for it" in halted.out


async def test_without_a_gateway_and_without_its_key_nobody_halts_and_is_told_why(state: Path) -> None:
    configure(state)
    refused = await typed(state, "halt", "--all", "-m", "leak")
    assert refused.code == 3
    assert "nothing is running here" in refused.error
    assert "only who has its key can do this" in refused.error
    assert not (state / "archive").exists()
