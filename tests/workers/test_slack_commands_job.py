"""Work that is asked for in Slack: what is acknowledged becomes one task, and whoever may not ask learns why."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.workers.in_slack import GOAL, Slacked, slacked
from workflows.models.delivery import Taken
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("slack-commands")


@pytest_asyncio.fixture(scope="module")
async def at(place: Path) -> AsyncIterator[Slacked]:
    async with slacked(place) as both:
        yield both


async def test_a_command_becomes_one_task_that_is_shown_where_it_was_asked_for(at: Slacked) -> None:
    sent = await at.people.command("U0ADA", GOAL)
    digest = max(at._digests())
    first = await at.result(digest)
    print(first)
    assert first.outcome is Taken.DONE
    view = await at.here.reaches(first.task_id, Stage.REVIEW, Stage.ENDED)
    print(at.slack.calls, at.slack.told, view.status.message)
