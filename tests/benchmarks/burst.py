"""Two hundred tasks asked for at once of an installation with two places: all end well, however long they waited."""

import asyncio
import os
import time
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from tests.benchmarks.figures import Figure
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, installed
from workers.temporal import connect
from workflows.models.intent import task_workflow_id
from workflows.models.status import Outcome

_TASKS = int(os.environ.get("BENCH_BURST", "200"))
"""`BENCH_BURST=50 make bench BENCH=burst` measures another number."""
_REPOSITORIES = 4


async def measure(state: Path) -> list[Figure]:
    """From asking for the first until the last has ended, with an agent that finds nothing to do."""
    home = state / "home"
    home.mkdir(mode=0o711)
    repositories = [make_repository(state / f"of-{number}", FILES) for number in range(_REPOSITORIES)]
    async with installed(home) as here:
        client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
        began = time.monotonic()
        tasks = await asyncio.gather(
            *(here.ask(repositories[number % _REPOSITORIES], "idle") for number in range(_TASKS))
        )
        handles = [client.get_workflow_handle(task_workflow_id(task)) for task in tasks]
        await asyncio.gather(*(handle.result() for handle in handles))
        seconds = time.monotonic() - began
        well, again = 0, 0
        for task in tasks:
            well += (await here.view(task)).status.outcome is Outcome.NO_CHANGES
            again += await _repeated(client, task)
    return [
        Figure("burst", _TASKS, detail=f"tasks asked for at once, of {_REPOSITORIES} repositories, two places"),
        Figure("burst_well", well, goal=_TASKS, better="more", detail="ended as they should"),
        Figure("burst_repeated", again, goal=0, detail="steps that timed out, failed, or took more than one attempt"),
        Figure("burst_s", round(seconds, 1), "s", detail="from asking until the last has ended"),
    ]


async def _repeated(client: Client, task: str) -> int:
    """Steps of a task that did not come through at once. Where an attempt follows another, it says so at its start."""
    again = 0
    async for event in client.get_workflow_handle(task_workflow_id(task)).fetch_history_events():
        again += event.event_type in {
            EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
            EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        }
        again += event.activity_task_started_event_attributes.attempt > 1
    return again
