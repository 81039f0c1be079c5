"""A worker that stops or dies in the middle of a run interrupts nothing: the next one finds the run and goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, configure
from workers.cli.client import CommandFailed
from workers.embedded.programs import program
from workers.embedded.stack import stack
from workers.embedded.temporal_server import free_port, temporal_server
from workers.gateway.assembly import gateway_of
from workers.gateway.server import serving
from workers.parts import Parts
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("restart")


class Machine:
    """One host whose worker is a process that can be killed."""

    def __init__(self, settings: Settings) -> None:
        self._environment = os.environ | {
            "JOURNEYMAN_STATE": str(settings.state),
            "JOURNEYMAN_TEMPORAL_ADDRESS": settings.temporal_address,
            "JOURNEYMAN_METRICS_ADDRESS": settings.metrics_address,
        }
        self.worker: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.worker = await asyncio.create_subprocess_exec(
            str(program("journeyman")), "worker", env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        assert self.worker.stdout is not None
        async with asyncio.timeout(60):
            assert b"serves" in await self.worker.stdout.readline()

    async def end(self, number: signal.Signals) -> int:
        assert self.worker is not None
        self.worker.send_signal(number)
        async with asyncio.timeout(60):
            return await self.worker.wait()


@asynccontextmanager
async def split(state: Path, metrics_address: str = "") -> AsyncIterator[tuple[Installation, Machine]]:
    """Temporal and the gateway here, the worker in a process of its own."""
    agents = configure(state)
    settings = Settings(
        state=state,
        temporal_address=f"127.0.0.1:{free_port()}",
        temporal_ui_port=free_port(),
        metrics_address=metrics_address,
    )
    async with temporal_server(
        state / "temporal", settings.temporal_address, settings.temporal_ui_port, settings.temporal_namespace
    ) as client:
        parts = await asyncio.to_thread(Parts.load, settings)
        machine = Machine(settings)
        try:
            async with serving(gateway_of(client, parts, temporal_ui=""), settings.gateway_socket):
                yield Installation(settings, parts, agents), machine
        finally:
            if machine.worker is not None and machine.worker.returncode is None:
                await machine.end(signal.SIGKILL)
            await parts.shut_down()
            await parts.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_run_goes_on_while_its_worker_is_restarted_and_is_not_started_again(
    state: Path, how: signal.Signals
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with split(state) as (here, machine):
        await machine.start()
        task = await here.ask(repository, "waiter")
        await here.reaches(task, Stage.RUN)
        run_id = f"{task}-1-1"
        async with asyncio.timeout(30):
            while run_id not in here.parts.sandboxes.known_runs():
                await asyncio.sleep(0.05)
            while (await asyncio.to_thread(here.gateway("ada").log, task, 0)).data.count(b"started") != 1:
                await asyncio.sleep(0.05)
        code = await machine.end(how)
        assert code == (0 if how is signal.SIGTERM else -9)
        assert run_id in here.parts.sandboxes.live_runs()
        await machine.start()
        (here.agents / "waiter" / "go").touch()
        async with asyncio.timeout(120):
            while True:
                try:
                    view = await here.settles(task)
                except CommandFailed:
                    # Right after a death, queries may still be sent to the worker that is gone.
                    await asyncio.sleep(0.5)
                    continue
                break
        status = view.status
        assert status.stage is Stage.REVIEW, status.message
        assert status.run is not None
        output = await here.parts.artifacts.get(status.run.output) if status.run.output else b""
        assert output.count(b"started") == 1
        assert (status.round, status.run.run_id) == (1, run_id)
        await here.decide(task, Action.REJECT)
        await here.reaches(task, Stage.ENDED)


async def test_a_stack_that_is_stopped_and_started_again_knows_its_tasks(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    agents = configure(state)
    settings = Settings(state=state, temporal_address=f"127.0.0.1:{free_port()}", temporal_ui_port=free_port())
    async with stack(settings) as parts:
        here = Installation(settings, parts, agents)
        task = await here.ask(repository, "mender")
        await here.settles(task)
    assert [words for words in command_lines() if str(state) in words] == []
    async with stack(settings, leave_nothing=True) as parts:
        here = Installation(settings, parts, agents)
        assert (await here.view(task)).status.stage is Stage.REVIEW
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.MERGE)
        await here.reaches(task, Stage.ENDED)
        assert [line.task_id for line in await asyncio.to_thread(here.gateway("ada").tasks)] == [task]


def command_lines() -> list[str]:
    """Of every process on this machine."""
    return [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
