"""A step that is over never ends the run that the next attempt, or the next placement, will follow."""

import asyncio

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment

from activities.host.supervised import HandedOver, supervised
from activities.sandbox.arrivals import UNKNOWN, Arrivals
from activities.sandbox.contract import OnOutput, RunStatus, SandboxSpec, Vitals
from workflows.models.limits import Guarantees, LimitGrades

SPEC = SandboxSpec(run_id="t1-1-1", command=("true",))


class EndlessSandboxes:
    """Runs that go on until they are stopped."""

    backend = "endless"

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.stopped: list[str] = []

    def grades(self) -> LimitGrades:
        return LimitGrades()

    def runtime(self) -> str:
        return "endless 1"

    def guarantees(self) -> Guarantees:
        return Guarantees()

    def system_of(self, image: str) -> str:
        return ""

    def take_uid(self) -> int | None:
        return None

    def give_back_uid(self, uid: int | None) -> None:
        raise AssertionError("no uid was taken")

    async def start(self, spec: SandboxSpec) -> None:
        self.started.set()

    async def follow(self, run_id: str, offset: int, on_output: OnOutput) -> RunStatus:
        await on_output(b"working", 7)
        await asyncio.Event().wait()
        raise AssertionError("it is endless")

    async def run(self, spec: SandboxSpec, max_output: int = 0) -> tuple[RunStatus, bytes]:
        raise AssertionError("nobody waits for it like that")

    async def arrivals(self, run_id: str) -> Arrivals:
        return UNKNOWN

    async def stop(self, run_id: str, reason: str) -> None:
        self.stopped.append(run_id)

    async def freeze(self, run_id: str) -> None:
        raise AssertionError("it has no cap")

    def stands_still(self, run_id: str) -> bool:
        raise AssertionError("it was not frozen")

    async def thaw(self, run_id: str) -> None:
        raise AssertionError("it was not frozen")

    async def forget(self, run_id: str) -> None:
        raise AssertionError("it is not over")

    def known_runs(self) -> tuple[str, ...]:
        return ("t1-1-1",)

    def live_runs(self) -> tuple[str, ...]:
        return ("t1-1-1",)

    async def vitals(self, run_id: str) -> Vitals:
        return Vitals()

    def renew_lease(self) -> None:
        return


async def cancelled(details: activity.ActivityCancellationDetails) -> tuple[EndlessSandboxes, BaseException]:
    sandboxes, environment = EndlessSandboxes(), ActivityEnvironment()
    step = asyncio.ensure_future(environment.run(supervised, sandboxes, SPEC))
    await sandboxes.started.wait()
    environment.cancel(details)
    with pytest.raises(BaseException) as raised:  # noqa: PT011  both kinds of ending are looked at below
        await step
    return sandboxes, raised.value


async def test_a_step_whose_workflow_gave_up_its_host_leaves_the_run_to_be_found() -> None:
    sandboxes, error = await cancelled(activity.ActivityCancellationDetails(cancel_requested=True))
    assert sandboxes.stopped == []
    assert isinstance(error, asyncio.CancelledError)


@pytest.mark.parametrize("why", ["timed_out", "not_found", "worker_shutdown", "paused"])
async def test_late_heartbeats_or_a_stopping_worker_leave_the_run_alone(why: str) -> None:
    sandboxes, error = await cancelled(activity.ActivityCancellationDetails(**{why: True}))
    assert sandboxes.stopped == []
    assert isinstance(error, HandedOver)
