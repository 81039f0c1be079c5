"""A host is given up when it is really gone, and not when the Temporal server was away for a while."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import Desk, Script, attending, working
from workers.gateway.silence import silence, times
from workflows.models.decision import Action
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("temporal")


async def is_said(temporal: Client, desk: Desk, seconds: float = 30) -> str:
    async with asyncio.timeout(seconds):
        while not (said := await silence(desk.handle, await desk.status())):
            await asyncio.sleep(0.05)
    return said


async def test_a_silent_host_is_named_with_since_when_and_until_when_long_before_it_counts_as_gone(
    temporal: Client, tmp_path: Path
) -> None:
    script = Script(host="silent")
    script.holds_run.clear()
    async with working(temporal, script):
        async with attending(temporal, script):
            desk = await Desk.start(temporal, DecisionSigner.load_or_create(tmp_path), host_silence_seconds=3600)
            await desk.reaches(Stage.RUN)
            while not script.count("run_agent"):
                await asyncio.sleep(0.05)
            assert await silence(desk.handle, await desk.status()) == ""
        said = re.fullmatch(
            "host silent is silent since (.*) UTC; if it still is at (.*) UTC it counts as gone, .*",
            await is_said(temporal, desk, 60),
        )
        assert said is not None
        since, gone = (datetime.strptime(time, "%H:%M:%S").replace(tzinfo=UTC) for time in said.groups())
        # Of the day's time alone: two silences of an hour, and what it takes to notice the first.
        assert timedelta(0) <= (gone - since - timedelta(hours=2)) % timedelta(days=1) < timedelta(minutes=2)
        async with attending(temporal, script):
            async with asyncio.timeout(30):
                while await silence(desk.handle, await desk.status()):
                    await asyncio.sleep(0.05)
            script.holds_run.set()
            await desk.reaches(Stage.REVIEW)
            await desk.decide(Action.REJECT)
            await desk.result()


def pending(*, scheduled: datetime, attempt: int = 1, heartbeat: datetime | None = None) -> PendingActivityInfo:
    found = PendingActivityInfo(state=PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED, attempt=attempt)
    found.scheduled_time.FromDatetime(scheduled)
    if heartbeat is not None:
        found.last_heartbeat_time.FromDatetime(heartbeat)
    found.activity_options.schedule_to_start_timeout.FromTimedelta(timedelta(minutes=5))
    return found


def test_the_second_silence_in_a_row_is_the_last_and_one_after_a_time_of_attendance_is_not() -> None:
    noon, minute = datetime(2026, 1, 1, 12, tzinfo=UTC), timedelta(minutes=1)
    # Nobody has taken it since the placement was made.
    assert times(pending(scheduled=noon), None, noon + minute) == (noon, noon + 10 * minute)
    assert times(pending(scheduled=noon), None, noon + timedelta(seconds=1)) is None
    # One silence is over.
    assert times(pending(scheduled=noon), noon, noon + minute) == (noon - 5 * minute, noon + 5 * minute)
    # The same, but it was attended for long in between.
    late = noon + 60 * minute
    again = pending(scheduled=late, attempt=2, heartbeat=late - minute)
    assert times(again, noon, late) == (late - minute, late + 10 * minute)


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
