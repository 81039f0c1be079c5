"""Slack without an address of one's own: what is said over Socket Mode is heard, also after the connection ended."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.chat.slack.button import APPROVE
from tests.support.slack.server import Slack
from tests.workers.in_slack import GOAL, Slacked, button, slacked
from workflows.models.decision import Action
from workflows.models.delivery import Taken

pytestmark = pytest.mark.xdist_group("slack-socket")


@pytest_asyncio.fixture(scope="module")
async def at(place: Path) -> AsyncIterator[Slacked]:
    async with slacked(place, socket=True) as both:
        await connected(both.slack)
        yield both


async def connected(slack: Slack, after: int = 0) -> None:
    """Wait for a connection that was opened after so many others."""
    async with asyncio.timeout(60):
        while not slack.sockets or len(slack.of("apps.connections.open")) <= after:
            await asyncio.sleep(0.05)


async def test_commands_buttons_and_help_go_over_the_connection(at: Slacked) -> None:
    status = await at.proposed()
    approved = await at.press("U0GRACE", APPROVE, button(status))
    assert approved.outcome is Taken.DONE, approved.detail
    helped = await at.people.command("U0ADA", "help")
    assert "`/agent GOAL`" in helped.told["text"]
    await at.here.decide(status.task.id, Action.CANCEL)


async def test_a_connection_that_slack_ends_is_made_anew_and_nothing_is_carried_out_twice(at: Slacked) -> None:
    payload = at.people.a_command("U0ADA", GOAL)
    (first,) = await at.came_of(at.people.send("slash_commands", payload))
    before = len(at.slack.of("apps.connections.open"))
    at.slack.fail("apps.connections.open", "internal_error", status=500)
    at.slack.hang_up()
    await connected(at.slack, before)
    assert await at.came_of(at.people.send("slash_commands", payload)) == []
    (second,) = await at.came_of(at.people.command("U0ADA", "mend double() in calc.py, so that double(2) is 4"))
    assert second.task_id != first.task_id
    for task in (first.task_id, second.task_id):
        await at.here.decide(task, Action.CANCEL)
