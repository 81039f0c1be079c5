"""Staying with a workflow that depends on this host; see workflows.attendance."""

import asyncio
import contextlib

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.host.supervised import NEXT_WORKER
from workflows.models.steps import Attendance, Nothing

BEAT_SECONDS = 2.0


class Attending:
    """Implements steps.ControlSteps."""

    @activity.defn(name="attend")
    async def attend(self, order: Attendance) -> Nothing:
        """Heartbeat until the workflow no longer needs this host and cancels.

        When the worker stops, it leaves at once: the host counts as gone only if no worker takes the next attempt.
        """
        try:
            while not activity.is_worker_shutdown():
                activity.heartbeat()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(activity.wait_for_worker_shutdown(), BEAT_SECONDS)
        except asyncio.CancelledError:
            # No longer needed: by the workflow's word, or since the workflow has ended meanwhile.
            return Nothing()
        raise ApplicationError(
            "the worker stops",
            type="HandedOver",
            category=ApplicationErrorCategory.BENIGN,
            next_retry_delay=NEXT_WORKER,
        )
