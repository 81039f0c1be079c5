"""Two hundred tasks asked for at once of an installation with two places, nearly all of them by one repository.

All end well, however long they waited, and those of the other repository wait for none of the many but their turn.
"""

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
_FEW = max(1, _TASKS // 20)
"""Of them are the small team's, which asks last."""


async def measure(state: Path) -> list[Figure]:
    """From asking for the first until the last has ended, with an agent that finds nothing to do."""
    home = state / "home"
    home.mkdir(mode=0o711)
    large, small = (make_repository(state / name, FILES) for name in ("large", "small"))
    async with installed(home) as here:
        client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
        began = time.monotonic()

        async def seconds_until_ended(repository: Path) -> tuple[str, float, float]:
            """Until the gateway had admitted it, and until it had ended."""
            task = await here.ask(repository, "idle")
            admitted = time.monotonic() - began
            await client.get_workflow_handle(task_workflow_id(task)).result()
            return task, admitted, time.monotonic() - began

        ended = await asyncio.gather(
            *(seconds_until_ended(large) for _ in range(_TASKS - _FEW)),
            *(seconds_until_ended(small) for _ in range(_FEW)),
        )
        few = ended[-_FEW:]
        tasks = [task for task, _, _ in ended]
        well, again = 0, 0
        for task in tasks:
            well += (await here.view(task)).status.outcome is Outcome.NO_CHANGES
            again += await _repeated(client, task)
    seconds, small_seconds = (max(until for _, _, until in some) for some in (ended, few))
    first, last = (pick(admitted for _, admitted, _ in few) for pick in (min, max))
    meanwhile = sum(first < until < small_seconds for _, _, until in ended[:-_FEW])
    return [
        Figure("burst", _TASKS, detail=f"tasks asked for at once, {_FEW} of them by a team of its own, two places"),
        Figure("burst_well", well, goal=_TASKS, better="more", detail="ended as they should"),
        Figure("burst_repeated", again, goal=0, detail="steps that timed out, failed, or took more than one attempt"),
        Figure("burst_s", round(seconds, 1), "s", detail="from asking until the last has ended"),
        Figure(
            "burst_small_team_done_s",
            round(small_seconds, 1),
            "s",
            detail=f"until the last of the small team's has, admitted after {first:.1f} to {last:.1f} s",
        ),
        Figure(
            "burst_ahead_of_small_team",
            meanwhile,
            goal=2 * _FEW,
            detail=f"of the large team's, ended from then on until the small team's {_FEW} had: its share are as many",
        ),
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
