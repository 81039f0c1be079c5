"""Noticing that a host is gone while a task depends on it, without taking a full or slow host for a dead one.

Work on a host's own queue has no schedule-to-start timeout: it waits for ever if nobody takes it. So a second, nearly
idle activity stays with the host on its control queue for as long as the placement lasts. It heartbeats; when the
host dies, its heartbeat times out, no other worker takes the retry, and that is the news. It costs a handful of
history events, however long the run, where a ping every minute would cost six hundred an hour.

One silence alone is no news: Temporal's timers go on while its server is down, and fire when it is back, before any
worker has had a chance to connect again. So the host is given the same time once more.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from workflows import timeouts
from workflows.models.run import Placement
from workflows.models.steps import Attendance
from workflows.steps import ControlSteps

Result = TypeVar("Result")

_LONGEST = timedelta(days=7)
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=0)


class HostGone(Exception):
    """The host that held the workspace no longer answers; what it had not handed over is lost with it."""


async def attended(
    placement: Placement, work: Coroutine[Any, Any, Result], silence: timedelta, on_silence: Callable[[], object]
) -> Result:
    """The result of the work, or HostGone if its host is silent for that long SILENCES times in a row.

    `on_silence`: called after each that is not yet the last.
    """
    attendance = _attend(placement, silence)
    job = asyncio.ensure_future(work)
    try:
        silences = 0
        while True:
            began = workflow.now()
            await workflow.wait([attendance, job], return_when=asyncio.FIRST_COMPLETED)
            if job.done():
                await _cancel(attendance)
                return job.result()
            with contextlib.suppress(ActivityError):
                await attendance
            # One that lasted longer was attended in between.
            silences = silences + 1 if workflow.now() - began < 2 * silence else 1
            if silences == timeouts.SILENCES:
                break
            on_silence()
            attendance = _attend(placement, silence)
    except asyncio.CancelledError:
        await _cancel(job)
        await _cancel(attendance)
        raise
    # What the step does there is left to itself: the host may come back with it, and be asked to go on.
    await _cancel(job)
    raise HostGone(f"host {placement.host} no longer answers")


def _attend(placement: Placement, silence: timedelta) -> "asyncio.Task[Any]":
    return workflow.start_activity_method(
        ControlSteps.attend,
        Attendance(host=placement.host),
        task_queue=placement.control_queue,
        start_to_close_timeout=_LONGEST,
        schedule_to_start_timeout=silence,
        heartbeat_timeout=timeouts.ATTENDANCE_HEARTBEAT,
        retry_policy=_RETRY,
        summary=f"stay with host {placement.host}",
    )


async def _cancel(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, ActivityError):
        await task
