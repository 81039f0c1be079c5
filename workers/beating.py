"""Heartbeats beside every step whose workflow waits for them, so that one which nobody is at is missed in seconds.

Temporal may hand a step out and never hear of it again: the worker that asked for it was killed just then, or Temporal
itself was. What nobody is at, nobody can give back (see unfinished.py); without a heartbeat it would stay with nobody
for as long as it might have taken, which is minutes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

_BEAT_SECONDS = 1.0


class Beating(Interceptor):
    """Beats for as long as a step takes. It also brings a step the news that it is wanted no more."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Called by Temporal."""
        return _Beating(next)


class _Beating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if activity.info().heartbeat_timeout is None:
            return await self.next.execute_activity(input)
        async with _beats():
            return await self.next.execute_activity(input)


@contextlib.asynccontextmanager
async def _beats() -> AsyncIterator[None]:
    beating = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beating.cancel()


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_BEAT_SECONDS)
