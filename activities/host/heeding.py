"""Steps on a host do not begin while their task's work is halted, and outlast a halt that comes while they are at it.

They wait inside, where waiting costs no history. An attempt has a limit of its own, though: before that is reached it
answers that it is halted, and the workflow asks again. What it followed goes on standing still and is found again.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.decisions.halts import Halted
from activities.host.halting import HostHalts
from activities.host.supervised import HandedOver, cancelled_by_the_workflow
from workflows.models.halt import Work
from workflows.models.steps import Prepared
from workflows.models.task import Task

_LOOK_SECONDS = 0.2
_MARGIN_SECONDS = 60.0
"""Of an attempt's time, kept for leaving it in order."""


class HeededHalts(Interceptor):
    """For the workers of a host. Concerns every step that has a prepared workspace; `prepare` looks by itself.

    Inside of what heartbeats for a step, so that one that waits is not taken for lost.
    """

    def __init__(self, halts: HostHalts) -> None:
        self._halts = halts

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Called by Temporal."""
        return _Inbound(next, self._halts)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, halts: HostHalts) -> None:
        super().__init__(next)
        self._halts = halts

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        work = _work_of(input)
        if work is None:
            return await self.next.execute_activity(input)
        await self._until_resumed(work)
        step = asyncio.ensure_future(self.next.execute_activity(input))
        try:
            while not (await asyncio.wait({step}, timeout=_LOOK_SECONDS))[0]:
                if (why := self._halts.why_not(work)) and _seconds_left() < 0:
                    return await _left_alone(step, why)
        except asyncio.CancelledError:
            # How the step ends then, it decides itself.
            step.cancel()
        return await step

    async def _until_resumed(self, work: Work) -> None:
        try:
            while why := self._halts.why_not(work):
                if _seconds_left() < 0:
                    raise _halted(why)
                await asyncio.sleep(_LOOK_SECONDS)
        except asyncio.CancelledError:
            if not cancelled_by_the_workflow():
                raise HandedOver(activity.info().activity_type) from None
            raise


async def _left_alone(step: "asyncio.Future[Any]", why: str) -> Any:
    """The step's result if it came to one; else leave what it followed to the next attempt."""
    step.cancel()
    try:
        return await step
    except (asyncio.CancelledError, HandedOver):
        raise _halted(why) from None


def _halted(why: str) -> ApplicationError:
    return ApplicationError(why, type=Halted.__name__, non_retryable=True)


def _seconds_left() -> float:
    """Until the attempt has to be over."""
    info = activity.info()
    if info.start_to_close_timeout is None:
        return _MARGIN_SECONDS
    limit = info.start_to_close_timeout.total_seconds()
    passed = (datetime.now(UTC) - info.started_time).total_seconds()
    return limit - passed - min(_MARGIN_SECONDS, limit / 4)


def _work_of(input: ExecuteActivityInput) -> Work | None:
    """Whose work a step is for; None for what gives back, sweeps or only looks."""
    order = input.args[0] if input.args else None
    task, prepared = getattr(order, "task", None), getattr(order, "prepared", None)
    if not isinstance(task, Task) or not isinstance(prepared, Prepared):
        return None
    return Work.of(task, prepared.policy)
