"""Following a sandbox from a step: hand-over when the worker stops, an end when cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.sandbox.contract import RunStatus, Sandboxes, SandboxSpec

TAKEN_DOWN = "the stack was taken down"
"""Why a run was stopped that nobody has given up: it begins again when its host is back."""


NEXT_WORKER = timedelta(seconds=1)
"""Until the next attempt of a step that was handed over. It waits for a worker, and not for anything to mend itself:
the growing pauses of a retry policy would keep it from the one that is there.
"""


class HandedOver(ApplicationError):
    """The worker stops; the run goes on under its supervisor, and the step's next attempt finds it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"this attempt is over; {run_id} goes on and is found again",
            type="HandedOver",
            category=ApplicationErrorCategory.BENIGN,
            next_retry_delay=NEXT_WORKER,
        )


class SandboxLost(ApplicationError):
    """The sandbox could not be made, or was killed from outside; trying again may help."""

    def __init__(self, status: RunStatus) -> None:
        super().__init__(f"the sandbox of {status.run_id} is {status.end}: {status.detail}", type="SandboxLost")


Saw = Callable[[bytes], Awaitable[None]]
"""Is told of output as it comes."""


async def supervised(sandboxes: Sandboxes, spec: SandboxSpec, saw: Saw | None = None) -> tuple[RunStatus, bytes]:
    """Start the run or find it, wait for its end, and return its status with all of its output.

    Cancelled, it leaves the run alone. The worker may be stopping, or heartbeats came late and the next attempt follows
    the run already, or the workflow takes this host for lost and will find the run here. When the run is wanted no
    more, the release of its placement ends it.
    """
    output = bytearray()

    async def keep(data: bytes, _: int) -> None:
        output.extend(data)
        if saw is not None:
            await saw(data)

    try:
        await sandboxes.start(spec)
        status = await sandboxes.follow(spec.run_id, 0, keep)
    except asyncio.CancelledError:
        if not cancelled_by_the_workflow():
            raise HandedOver(spec.run_id) from None
        raise
    return status, bytes(output)


def cancelled_by_the_workflow() -> bool:
    """Whether this step is cancelled because its result is no longer wanted."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested and not activity.is_worker_shutdown()
