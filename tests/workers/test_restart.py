"""A worker that stops or dies in the middle of a run interrupts nothing: the next one finds the run and goes on."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.worker import Worker

from activities.host.supervised import TAKEN_DOWN
from activities.tracing.pages import NO_PAGES
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, configure
from workers.cli.client import CommandFailed
from workers.embedded.programs import program
from workers.embedded.stack import stack
from workers.embedded.temporal_server import free_port, temporal_server
from workers.gateway.assembly import gateway_of
from workers.gateway.server import serving
from workers.parts.host import HostParts
from workers.parts.shared import SharedParts
from workers.settings import Settings
from workers.temporal import connect
from workers.unfinished import Unfinished
from workers.worker import RUNNER, WORKFLOWS
from workflows import queues
from workflows.agent_task import AgentTask
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.run import RunEnd
from workflows.models.status import Stage, TaskStatus

pytestmark = pytest.mark.xdist_group("restart")
_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
_LOAD = 4
"""Runs under way while their worker is rolled."""
_ROLLS = 3
_DRAIN_SECONDS = 15.0
"""Five for steps to hand over, and what a machine that is busy adds to the end of a process."""


class Machine:
    """One host whose worker is a process that can be killed."""

    def __init__(self, settings: Settings, **more: str) -> None:
        self._environment = os.environ | {
            "JOURNEYMAN_STATE": str(settings.state),
            "JOURNEYMAN_TEMPORAL_ADDRESS": settings.temporal_address,
            "JOURNEYMAN_METRICS_ADDRESS": settings.metrics_address,
            **more,
        }
        self.worker: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.worker = await asyncio.create_subprocess_exec(
            str(program("journeyman")), "worker", env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        assert self.worker.stdout is not None
        async with asyncio.timeout(60):
            assert b"serves" in await self.worker.stdout.readline()

    async def die(self) -> None:
        """The whole host: the worker and everything that it left running."""
        if self.worker is None:
            return
        family = psutil.Process(self.worker.pid).children(recursive=True) if self.worker.returncode is None else []
        # Other tests' hosts have such names, too.
        mine = f"{self._environment['JOURNEYMAN_STATE']}/hosts/{self._environment.get('JOURNEYMAN_HOST', '')}/"
        supervisors = [one for one in psutil.process_iter(["cmdline"]) if mine in " ".join(one.info["cmdline"] or [])]
        for process in (*supervisors, *family):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.worker.returncode is None:
            await self.end(signal.SIGKILL)

    async def end(self, number: signal.Signals) -> int:
        assert self.worker is not None
        self.worker.send_signal(number)
        async with asyncio.timeout(60):
            return await self.worker.wait()


@asynccontextmanager
async def split(
    state: Path, host_silence_seconds: float = 300, metrics_address: str = "", capacity: int = 4
) -> AsyncIterator[tuple[Installation, Machine]]:
    """Temporal and the gateway here, the worker in a process of its own."""
    agents = configure(state)
    settings = Settings(
        state=state,
        temporal_address=f"127.0.0.1:{free_port()}",
        temporal_ui_port=free_port(),
        host_silence_seconds=host_silence_seconds,
        metrics_address=metrics_address,
    )
    async with temporal_server(
        state / "temporal", settings.temporal_address, settings.temporal_ui_port, settings.temporal_namespace
    ) as client:
        parts = await asyncio.to_thread(lambda: HostParts.load(SharedParts.load(settings)))
        machine = Machine(settings, JOURNEYMAN_CAPACITY=str(capacity))
        try:
            async with serving(gateway_of(client, parts.shared, pages=NO_PAGES).app, settings.gateway_socket):
                yield Installation(settings, parts, agents), machine
        finally:
            if machine.worker is not None and machine.worker.returncode is None:
                await machine.end(signal.SIGKILL)
            await parts.shut_down()
            await parts.shared.close()


@asynccontextmanager
async def workflows_only(here: Installation) -> AsyncIterator[Client]:
    """A worker that decides what is next while no host is there."""
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    async with Worker(client, task_queue=queues.ORCHESTRATE, workflows=WORKFLOWS, workflow_runner=RUNNER):
        yield client


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
        await wait_until_started(here, task)
        code = await machine.end(how)
        assert code == (0 if how is signal.SIGTERM else -9)
        assert run_id in here.parts.sandboxes.live_runs()
        await machine.start()
        (here.agents / "waiter" / "go").touch()
        status = await wait_until_reviewed(here, task)
        assert status.run is not None
        output = await here.parts.shared.artifacts.get(status.run.output) if status.run.output else b""
        assert output.count(b"started") == 1
        assert (status.round, status.run.run_id) == (1, run_id)
        await here.decide(task, Action.REJECT)
        await here.reaches(task, Stage.ENDED)


@pytest.mark.timeout(360)
async def test_a_step_whose_worker_was_killed_is_tried_again_when_the_next_one_is_there_and_not_by_a_timeout(
    state: Path,
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with split(state) as (here, machine):
        await machine.start()
        task = await here.ask(repository, "waiter")
        await here.reaches(task, Stage.RUN)
        await wait_until_started(here, task)
        client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
        await machine.end(signal.SIGKILL)
        await machine.start()
        # A heartbeat that stays away is noticed after 30 seconds.
        async with asyncio.timeout(15):
            while (attempts := await _attempts(client, task)) != {"run_agent": 2, "attend": 2}:
                await asyncio.sleep(0.1)
        assert attempts["run_agent"] == 2
        (here.agents / "waiter" / "go").touch()
        await wait_until_reviewed(here, task)
        async with asyncio.timeout(30):
            while any(here.parts.shared.layout.steps.glob("*/*")):
                await asyncio.sleep(0.1)


async def test_a_worker_that_only_stands_still_keeps_its_steps(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with split(state) as (here, machine), workflows_only(here) as client:
        await machine.start()
        task = await here.ask(repository, "waiter")
        await here.reaches(task, Stage.RUN)
        await wait_until_started(here, task)
        assert machine.worker is not None
        machine.worker.send_signal(signal.SIGSTOP)
        try:
            await Unfinished(here.parts.shared.layout.steps, here.parts.host).give_back(client)
            assert await _attempts(client, task) == {"run_agent": 1, "attend": 1}
        finally:
            machine.worker.send_signal(signal.SIGCONT)
        (here.agents / "waiter" / "go").touch()
        await wait_until_reviewed(here, task)


async def _attempts(client: Client, task: str) -> dict[str, int]:
    """Of the steps of a task that are under way."""
    told = await client.get_workflow_handle(task_workflow_id(task)).describe()
    under_way = [one for one in told.raw_description.pending_activities if one.state == _STARTED]
    return {one.activity_type.name: one.attempt for one in under_way}


@pytest.mark.timeout(360)
async def test_a_worker_that_is_asked_to_end_under_load_does_so_within_seconds_and_interrupts_no_run(
    state: Path,
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with split(state, capacity=_LOAD) as (here, machine):
        await machine.start()
        tasks = [await here.ask(repository, "waiter") for _ in range(_LOAD)]
        for task in tasks:
            await wait_until_started(here, task)
        # One more is at the very beginning.
        waiting = await here.ask(repository, "waiter")
        for _ in range(_ROLLS):
            began = time.monotonic()
            assert await machine.end(signal.SIGTERM) == 0
            assert time.monotonic() - began < _DRAIN_SECONDS
            assert set(here.parts.sandboxes.live_runs()) >= {f"{task}-1-1" for task in tasks}
            await machine.start()
        (here.agents / "waiter" / "go").touch()
        for task in (*tasks, waiting):
            status = await wait_until_reviewed(here, task)
            assert status.run is not None
            assert status.run.output is not None
            output = await here.parts.shared.artifacts.get(status.run.output)
            assert (output.count(b"started"), status.run.run_id) == (1, f"{task}-1-1")


async def test_a_run_that_was_taken_down_begins_again_with_what_it_had_done(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with split(state) as (here, machine):
        await machine.start()
        task = await here.ask(repository, "waiter")
        await here.reaches(task, Stage.RUN)
        await wait_until_started(here, task)
        await machine.end(signal.SIGTERM)
        await here.parts.sandboxes.stop(f"{task}-1-1", TAKEN_DOWN)
        (here.agents / "waiter" / "go").touch()
        await machine.start()
        status = await wait_until_reviewed(here, task)
        assert status.run is not None
        assert (status.run.end, status.run.run_id) == (RunEnd.EXITED, f"{task}-1-1")


async def wait_until_started(here: Installation, task: str) -> None:
    """Until the agent itself says that it has begun."""
    run_id = f"{task}-1-1"
    async with asyncio.timeout(30):
        while run_id not in here.parts.sandboxes.known_runs():
            await asyncio.sleep(0.05)
        while (await asyncio.to_thread(here.gateway("ada").log, task, 0)).data.count(b"started") != 1:
            await asyncio.sleep(0.05)


async def wait_until_reviewed(here: Installation, task: str) -> TaskStatus:
    """Until there is something to review, whatever happens to workers meanwhile."""
    async with asyncio.timeout(120):
        while True:
            # Right after a death, queries may still be sent to the worker that is gone.
            with contextlib.suppress(CommandFailed):
                status = (await here.settles(task)).status
                assert status.stage is Stage.REVIEW, status.message
                return status
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("when", ["while nobody is there", "after the worker is back"])
async def test_what_an_agent_did_is_not_lost_when_its_host_was_silent_for_too_long(state: Path, when: str) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with split(state, host_silence_seconds=1.5) as (here, machine), workflows_only(here) as client:
        await machine.start()
        task = await here.ask(repository, "waiter")
        await here.reaches(task, Stage.RUN)
        await wait_until_started(here, task)
        handle = client.get_workflow_handle(task_workflow_id(task))

        async def said_until_it_is_gone() -> set[str]:
            said = set()
            async with asyncio.timeout(60):
                while "no longer answers" not in (await handle.query(AgentTask.status)).message:
                    said.add((await asyncio.to_thread(here.gateway("ada").view, task, outlook=True)).silent)
            return said

        # It attends no more from the signal on, before its process has ended.
        listening = asyncio.create_task(said_until_it_is_gone())
        await machine.end(signal.SIGTERM)
        go = here.agents / "waiter" / "go"
        if when == "while nobody is there":
            go.touch()
        assert any("is silent since" in each and "it counts as gone" in each for each in await listening)
        await machine.start()
        go.touch()
        status = await wait_until_reviewed(here, task)
        assert status.run is not None
        assert status.run.output is not None
        assert status.placement is not None
        output = await here.parts.shared.artifacts.get(status.run.output)
        assert (output.count(b"started"), status.run.run_id, status.round) == (1, f"{task}-1-1", 1)
        assert status.placement.epoch == 2
        await here.decide(task, Action.REJECT)
        await here.reaches(task, Stage.ENDED)
        assert [run for run in here.parts.sandboxes.known_runs() if run.startswith(task)] == []
        assert here.parts.placements.all() == []


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
