"""Many tasks at once on one place: a full host leaves them in the queue, and nobody waits behind all of another's."""

import asyncio
from pathlib import Path

import pytest

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, installed
from workers.gateway.messages import TaskLine
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("fairness")
MANY, FEW = 16, 2


async def test_a_repository_with_many_tasks_does_not_delay_the_few_of_another(state: Path) -> None:
    # Of two teams, and called the same.
    many, few = (make_repository(state / team / "app.git", FILES, bare=True) for team in ("many", "few"))
    async with installed(state, capacity=1) as here:
        await asyncio.gather(*(here.ask(many, "idle", goal=f"many {number}") for number in range(MANY)))
        late = await asyncio.gather(*(here.ask(few, "idle", goal=f"few {number}") for number in range(FEW)))
        for task in late:
            await here.reaches(task, Stage.ENDED)
        lines = await asyncio.to_thread(here.gateway("ada").tasks)
        # Asked for last, they end while most of the others still wait.
        assert _ended(lines) - FEW <= MANY // 2
        for line in lines:
            assert (await here.reaches(line.task_id, Stage.ENDED)).status.outcome is Outcome.NO_CHANGES


def _ended(lines: list[TaskLine]) -> int:
    return sum(line.stage is Stage.ENDED for line in lines)
