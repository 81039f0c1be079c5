"""The same trigger, delivered at once by several senders, is one task with one workflow."""

import asyncio
from pathlib import Path

import pytest

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, installed
from workers.gateway.messages import NewTask
from workflows.models.decision import Action
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("delivered-again")


async def test_a_trigger_delivered_five_times_at_once_from_three_sides_becomes_one_task(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with installed(state) as here:
        asked = NewTask(goal="mend add()", repository=str(repository), agent="mender", key="linear:ENG-7")
        sides = ("ada", "grace", "linus", "ada", "grace")
        answers = await asyncio.gather(
            *(asyncio.to_thread(here.gateway(side).admit, asked) for side in sides), return_exceptions=True
        )
        tasks = {answer.task_id for answer in answers if not isinstance(answer, BaseException)}
        assert len(tasks) == 1
        assert sum(answer.new for answer in answers if not isinstance(answer, BaseException)) == 1
        (task,) = tasks
        await here.reaches(task, Stage.REVIEW)
        assert [line.task_id for line in await asyncio.to_thread(here.gateway("ada").tasks)] == [task]
        who = (await here.view(task)).status.task.requester.id
        await here.decide(task, Action.REJECT, person="grace" if who != "grace" else "ada")
        await here.reaches(task, Stage.ENDED)
