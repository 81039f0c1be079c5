"""Following a sandbox from a step: heartbeats, hand-over when the worker stops, an end when cancelled."""

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.sandbox.contract import RunStatus, Sandboxes, SandboxSpec
from workflows.models.run import RunEnd

BEAT_SECONDS = 1.0


class HandedOver(ApplicationError):
    """The worker stops; the run goes on under its supervisor, and the step's next attempt finds it."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"the worker stops; run {run_id} goes on and is found again",
            type="HandedOver",
            category=ApplicationErrorCategory.BENIGN,
        )


class SandboxLost(ApplicationError):
    """The sandbox could not be made, or was killed from outside; trying again may help."""

    def __init__(self, status: RunStatus) -> None:
        super().__init__(f"the sandbox of {status.run_id} is {status.end}: {status.detail}", type="SandboxLost")


async def supervised(sandboxes: Sandboxes, spec: SandboxSpec) -> tuple[RunStatus, bytes]:
    """Start the run or find it, wait for its end, and return its status with all of its output.

    Cancelled by the workflow, it stops the run. Cancelled because the worker stops, it leaves the run alone.
    """
    output = bytearray()

    async def keep(data: bytes, offset: int) -> None:
        output.extend(data)
        activity.heartbeat(offset)

    beating = asyncio.create_task(_beat())
    try:
        await sandboxes.start(spec)
        status = await sandboxes.follow(spec.run_id, 0, keep)
    except asyncio.CancelledError:
        if activity.is_worker_shutdown():
            raise HandedOver(spec.run_id) from None
        await sandboxes.stop(spec.run_id, "the task was cancelled")
        raise
    finally:
        beating.cancel()
    return status, bytes(output)


async def keep_beating() -> None:
    """Heartbeat for ever, beside a step that has nothing to say for a while."""
    await _beat()


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT_SECONDS)


def kept_its_work(status: RunStatus) -> bool:
    """Whether a run came to an end of its own or of a limit, so that its workspace is worth reading."""
    return status.end not in {RunEnd.NOT_STARTED, RunEnd.LOST, RunEnd.LEASE_LAPSED}
