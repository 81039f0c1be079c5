"""A host sees to halts by itself: with nobody else there, and where it can't find out what is halted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.archive.objects import Objects
from activities.decisions.halts import Halted, HaltRecord, HaltsUnreadable
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.host.halting import HostHalts
from activities.host.heeding import HeededHalts
from activities.host.supervised import HandedOver
from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import stage_runtime
from tests.activities.sandbox.cell import eventually
from tests.workflows.scripted import a_patch, a_task
from workflows.models.halt import HaltAction, HaltEntry, HaltScope, Reach, Work
from workflows.models.limits import Limits
from workflows.models.person import Person
from workflows.models.policy import TaskPolicy
from workflows.models.run import Placement
from workflows.models.steps import PackagesOrder, Prepared, ReleaseOrder

SHOP = Work(repository="/r", team="")
AN_HOUR = timedelta(hours=1)


class Host:
    """One host with a record of halts."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.objects = Objects.open(str(state / "archive"))
        self.key = SigningKey.load_or_create(state / "keys", "gateway")
        self.sandboxes = HostSandboxes(state / "runs", BubblewrapBackend(stage_runtime(state)))
        self.record = self.reader(self.key)
        self._number = 0

    def reader(self, key: SigningKey | None = None) -> HaltRecord:
        public = self.key.public_key
        return HaltRecord(self.objects, TrustedKeys(lambda: (public,)), key, memory=self.state / "halts")

    def halts(self, blind_seconds: float = 600) -> HostHalts:
        """As a worker that starts has them."""
        return HostHalts(self.reader(), self.sandboxes, blind_seconds=blind_seconds)

    async def put(self, action: HaltAction = HaltAction.HALT, *lifts: str) -> str:
        self._number += 1
        entry = HaltEntry(
            id=f"{self._number:08d}",
            action=action,
            scope=HaltScope(reach=Reach.ALL),
            lifts=lifts,
            person=Person(id="ada"),
            reason="leak",
            at=datetime.now(UTC),
        )
        await self.record.add(entry)
        return entry.id

    async def start(self, run_id: str, work: Work = SHOP) -> None:
        spec = SandboxSpec(
            run_id=run_id,
            command=("sh", "-c", "while true; do echo tick; sleep 0.05; done"),
            limits=Limits(wall_seconds=300),
            work=work,
        )
        await self.sandboxes.start(spec)
        await eventually(lambda: (self.state / "runs" / run_id / "output.log").stat().st_size > 0, "it has begun")

    async def stands_still(self, run_id: str) -> None:
        await eventually(lambda: self.sandboxes.stands_still(run_id), f"{run_id} stands still")

    async def goes_on(self, run_id: str) -> None:
        await eventually(lambda: not self.sandboxes.stands_still(run_id), f"{run_id} goes on")

    def hide(self) -> None:
        """Nobody can read the record any more."""
        (self.state / "archive").rename(self.state / "away")
        (self.state / "archive").write_text("")

    def show(self) -> None:
        (self.state / "archive").unlink()
        (self.state / "away").rename(self.state / "archive")


@pytest_asyncio.fixture
async def host(state: Path) -> AsyncIterator[Host]:
    host = Host(state)
    yield host
    for run_id in host.sandboxes.live_runs():
        await host.sandboxes.stop(run_id, "the test is over")


async def test_what_a_worker_halted_stands_still_without_it_and_its_successor_lets_it_go_on(host: Host) -> None:
    await host.start("t1-1-1")
    halts = host.halts()
    assert await halts.look() == ()
    halt = await host.put()
    assert await halts.look() == ("t1-1-1",)
    await host.stands_still("t1-1-1")
    await host.put(HaltAction.RESUME, halt)
    assert await host.halts().look() == ()
    await host.goes_on("t1-1-1")


async def test_a_run_that_begins_in_the_moment_of_a_halt_stands_still_at_the_next_look(host: Host) -> None:
    halts = host.halts()
    await host.put()
    assert await halts.look() == ()
    await host.start("t1-1-1")
    assert await halts.look() == ("t1-1-1",)


async def test_a_host_that_cannot_find_out_begins_nothing_then_lets_everything_stand_still_until_it_can(
    host: Host,
) -> None:
    await host.start("t1-1-1")
    patient, hasty = host.halts(), host.halts(blind_seconds=0)
    with pytest.raises(Halted, match="not known yet"):
        patient.refuse(SHOP)
    await patient.look()
    await hasty.look()
    patient.refuse(SHOP)
    await host.put()
    host.hide()
    with pytest.raises(HaltsUnreadable):
        await patient.look()
    assert not (host.state / "runs" / "t1-1-1" / "halt").exists()
    with pytest.raises(Halted, match="nothing new begins here while the record of halts"):
        patient.refuse(SHOP)
    with pytest.raises(HaltsUnreadable):
        await hasty.look()
    await host.stands_still("t1-1-1")
    host.show()
    await host.put(HaltAction.RESUME, "00000001")
    assert await patient.look() == ()
    await host.goes_on("t1-1-1")


class AskedHalts(HostHalts):
    """Tells when a step has asked."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.asked = asyncio.Event()

    def why_not(self, work: Work) -> str:
        self.asked.set()
        return super().why_not(work)


class Step(ActivityInboundInterceptor):
    """A step that takes until it is told to end."""

    def __init__(self) -> None:
        self.began, self.ends = asyncio.Event(), asyncio.Event()

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self.began.set()
        try:
            await self.ends.wait()
        except asyncio.CancelledError:
            raise HandedOver("t1-1-1") from None
        return "done"


class Attempt:
    """One attempt of a step on a host, with so much time left."""

    def __init__(self, halts: HostHalts, order: object, left: timedelta = AN_HOUR) -> None:
        self.step = Step()
        self.environment = ActivityEnvironment()
        changes = {"started_time": datetime.now(UTC) + left - AN_HOUR, "start_to_close_timeout": AN_HOUR}
        self.environment.info = self.environment.info.__class__(**(self.environment.info.__dict__ | changes))
        inbound = HeededHalts(halts).intercept_activity(self.step)
        input = ExecuteActivityInput(fn=len, args=[order], executor=None, headers={})
        self.coming = asyncio.ensure_future(self.environment.run(inbound.execute_activity, input))

    async def result(self) -> Any:
        async with asyncio.timeout(10):
            return await self.coming


def order() -> PackagesOrder:
    prepared = Prepared(
        placement=Placement(host="h1", epoch=1), base_commit="b", start_tree="t", policy=TaskPolicy(hash="p")
    )
    return PackagesOrder(task=a_task(), prepared=prepared, patch=a_patch("head"))


async def test_a_step_begins_only_when_its_work_is_resumed(host: Host) -> None:
    halts = host.halts()
    halt = await host.put()
    await halts.look()
    attempt = Attempt(halts, order())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(attempt.step.began.wait(), 0.5)
    # What gives back or only looks does not wait.
    release = Attempt(halts, ReleaseOrder(task_id="t1", placement=Placement(host="h1", epoch=1)))
    release.step.ends.set()
    assert await release.result() == "done"
    await host.put(HaltAction.RESUME, halt)
    await halts.look()
    attempt.step.ends.set()
    assert await attempt.result() == "done"


async def test_a_step_outlasts_a_halt_and_leaves_its_run_to_the_next_attempt_before_its_time_is_over(
    host: Host,
) -> None:
    halts = host.halts()
    await halts.look()
    patient, late = Attempt(halts, order()), Attempt(halts, order(), timedelta(seconds=1))
    for attempt in (patient, late):
        await attempt.step.began.wait()
    await host.put()
    await halts.look()
    with pytest.raises(ApplicationError, match=r"halted \(everything\) by ada") as answered:
        await late.result()
    assert (answered.value.type, answered.value.non_retryable) == ("Halted", True)
    waits = Attempt(halts, order(), timedelta(seconds=1))
    with pytest.raises(ApplicationError, match=r"halted \(everything\) by ada"):
        await waits.result()
    assert not waits.step.began.is_set()
    patient.step.ends.set()
    assert await patient.result() == "done"


async def test_a_worker_that_stops_during_a_halt_hands_over_what_waits(host: Host) -> None:
    halts = AskedHalts(host.reader(), host.sandboxes, blind_seconds=600)
    await host.put()
    await halts.look()
    attempt = Attempt(halts, order())
    await halts.asked.wait()
    attempt.environment.cancel(activity.ActivityCancellationDetails(worker_shutdown=True))
    with pytest.raises(HandedOver):
        await attempt.result()
