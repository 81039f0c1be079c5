"""How much the workflow itself costs: with steps that do nothing, beside a bare workflow with as many steps."""

import asyncio
import time
import uuid
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.decisions.signing import DecisionSigner
from tests.benchmarks.figures import Figure, median, spread
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, installed
from tests.workflows.scripted import Desk, Script, a_task, workers
from workers.embedded.programs import program
from workers.temporal import DATA_CONVERTER
from workers.worker import RUNNER
from workflows import search_attributes
from workflows.models.decision import Action
from workflows.models.status import Stage
from workflows.models.steps import Nothing

_BATCHES = 5
_TASKS = 12
"""Of a batch, all at once."""
_REAL_TASKS = 6


@activity.defn(name="nothing")
async def nothing(order: Nothing) -> Nothing:
    """A step that does nothing."""
    return order


@workflow.defn(name="Skeleton", sandboxed=False)
class Skeleton:
    """As many steps as a task has, one after the other, and nothing else."""

    @workflow.run
    async def run(self, steps: int) -> None:
        """Take the steps."""
        for _ in range(steps):
            await workflow.execute_activity(nothing, Nothing(), start_to_close_timeout=timedelta(seconds=30))


async def measure(state: Path) -> list[Figure]:
    """Both on the same server in turns, then the real path on its own installation."""
    async with await WorkflowEnvironment.start_local(
        data_converter=DATA_CONVERTER,
        dev_server_existing_path=str(program("temporal")),
        search_attributes=search_attributes.ALL,
        dev_server_log_level="error",
    ) as environment:
        steps, ours, skeleton = await _in_turns(environment.client, DecisionSigner.load_or_create(state / "keys"))
    per_minute = await _real(state)
    ratios = [one / other for one, other in zip(ours, skeleton, strict=True)]
    return [
        Figure(
            "throughput_vs_skeleton",
            median(ratios),
            goal=0.5,
            better="more",
            detail=f"{steps} steps a task, {_TASKS} tasks at once: ours {median(ours):.0f} steps/s, skeleton "
            f"{median(skeleton):.0f} ({spread(ratios)})",
        ),
        Figure("tasks_per_minute", round(per_minute, 1), better="more", detail="the real path, two places on the host"),
    ]


async def _in_turns(client: Client, signer: DecisionSigner) -> tuple[int, list[float], list[float]]:
    """Steps of a task, and steps a second of both, batch by batch."""
    script = Script()
    skeletons = Worker(client, task_queue="skeleton", workflows=[Skeleton], activities=[nothing])
    async with workers(client, script, RUNNER), skeletons:
        await _carry(client, signer, script)
        # Attendance is a step too, one that the script does not note.
        steps = len(script.calls) + 1
        ours, skeleton = [], []
        for _ in range(_BATCHES):
            ours.append(await _rate(steps, [_carry(client, signer, script) for _ in range(_TASKS)]))
            skeleton.append(await _rate(steps, [_skeleton(client, steps) for _ in range(_TASKS)]))
        return steps, ours, skeleton


async def _rate(steps: int, tasks: list[Coroutine[Any, Any, None]]) -> float:
    began = time.monotonic()
    await asyncio.gather(*tasks)
    return steps * len(tasks) / (time.monotonic() - began)


async def _skeleton(client: Client, steps: int) -> None:
    await client.execute_workflow(Skeleton.run, steps, id=f"skeleton-{uuid.uuid4()}", task_queue="skeleton")


async def _carry(client: Client, signer: DecisionSigner, script: Script) -> None:
    desk = await Desk.start(client, signer, a_task())
    # Without asking the workflow: a query costs the worker as much as a step does.
    await script.proposed[desk.task.id].wait()
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    await desk.result()


async def _real(state: Path) -> float:
    home = state / "real"
    home.mkdir(mode=0o711)
    async with installed(home) as installation:
        repository = make_repository(state / "repository", FILES)
        await installation.settles(await installation.ask(repository, "mender"))
        began = time.monotonic()
        tasks = await asyncio.gather(*(installation.ask(repository, "mender") for _ in range(_REAL_TASKS)))
        await asyncio.gather(*(installation.settles(task) for task in tasks))
        return _REAL_TASKS / (time.monotonic() - began) * 60
