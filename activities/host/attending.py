"""Staying with a workflow that depends on this host; see workflows.attendance."""

import asyncio

from temporalio import activity

from workflows.models.steps import Attendance, Nothing

BEAT_SECONDS = 2.0


class Attending:
    """Implements steps.ControlSteps."""

    @activity.defn(name="attend")
    async def attend(self, order: Attendance) -> Nothing:
        """Heartbeat until the workflow no longer needs this host and cancels."""
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_SECONDS)
