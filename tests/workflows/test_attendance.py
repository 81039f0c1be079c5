"""A host is given up when it is really gone, and not when the Temporal server was away for a while."""

import asyncio
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import Desk, Script, attending, working
from workflows.models.decision import Action
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("temporal")


async def silences(desk: Desk) -> int:
    """How many timers of this task have run out so far."""
    history = await desk.handle.fetch_history()
    return sum(event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT for event in history.events)


async def test_one_silence_that_the_server_slept_through_interrupts_nothing(temporal: Client, tmp_path: Path) -> None:
    script = Script(host="slept")
    script.holds_run.clear()
    async with working(temporal, script):
        desk = await Desk.start(temporal, DecisionSigner.load_or_create(tmp_path), host_silence_seconds=1)
        async with asyncio.timeout(20):
            while not await silences(desk):
                await asyncio.sleep(0.05)
        async with attending(temporal, script):
            script.holds_run.set()
            status = await desk.reaches(Stage.REVIEW)
            assert (script.count("prepare"), script.count("run_agent")) == (1, 1)
            assert status.placement is not None
            assert status.placement.epoch == 1
            await desk.decide(Action.REJECT)
            await desk.result()


async def test_a_host_that_stays_silent_is_given_up_and_the_next_one_is_told_which(
    temporal: Client, tmp_path: Path
) -> None:
    script = Script(host="gone")
    script.holds_run.clear()
    async with working(temporal, script):
        desk = await Desk.start(temporal, DecisionSigner.load_or_create(tmp_path), host_silence_seconds=1)
        async with asyncio.timeout(20):
            while script.count("prepare") < 2:
                await asyncio.sleep(0.05)
        assert (script.last("prepare").lost_epoch, script.last("prepare").lost_host) == (1, "gone")
        async with attending(temporal, script):
            script.holds_run.set()
            await desk.reaches(Stage.REVIEW)
            await desk.decide(Action.REJECT)
            await desk.result()
