"""What a watch over a merge does when base turns red, and when nothing happens."""

import asyncio
from datetime import UTC, datetime

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from tests.workflows.scripted import ALICE, Script, a_task, sha
from workflows import queues
from workflows.merge_watch import MergeWatch
from workflows.models.intent import watch_workflow_id
from workflows.models.observation import Observation
from workflows.models.pull_request import RevertOutcome, RevertOutlook, RevertPreview, RevertResult
from workflows.models.watch import BaseState, LookOrder, WatchOrder, WatchOutcome, WatchResult

pytestmark = pytest.mark.xdist_group("temporal")
RED = Observation(
    repository="/r", commit="a" * 40, name="ci", good=False, person=ALICE, observed_at=datetime(2026, 1, 1, tzinfo=UTC)
)


async def watch(client: Client, *, seconds: int, by_policy: bool = True) -> WorkflowHandle[MergeWatch, WatchResult]:
    task = a_task()
    order = WatchOrder(task=task, merge_commit=sha("merge"), seconds=seconds, by_policy=by_policy)
    return await client.start_workflow(
        MergeWatch.run, order, id=watch_workflow_id(task.id), task_queue=queues.ORCHESTRATE
    )


async def result(handle: WorkflowHandle[MergeWatch, WatchResult]) -> WatchResult:
    async with asyncio.timeout(30):
        return await handle.result()


async def test_what_policy_merged_policy_takes_back_when_base_turns_red(temporal: Client, script: Script) -> None:
    handle = await watch(temporal, seconds=600)
    await looked(script, handle, 1)
    script.base = lambda order: BaseState(red=RED)
    await handle.signal(MergeWatch.observed)
    found = await result(handle)
    assert (found.outcome, found.red) == (WatchOutcome.REVERTED, RED)
    assert script.last("revert").signed is None
    # Watches of tests before this one end meanwhile, and put that on record.
    recorded = [o for name, o in script.calls if name == "record" and watch_workflow_id(o.task_id) == handle.id]
    assert [order.kind for order in recorded] == ["revert", "watch"]


async def test_what_a_person_merged_is_left_to_people(temporal: Client, script: Script) -> None:
    script.base = lambda order: BaseState(red=RED)
    handle = await watch(temporal, seconds=600, by_policy=False)
    found = await result(handle)
    reverted = [o for name, o in script.calls if name == "revert" and watch_workflow_id(o.task.id) == handle.id]
    assert (found.outcome, reverted) == (WatchOutcome.RED, [])


async def test_a_revert_that_conflicts_is_told_as_such(temporal: Client, script: Script) -> None:
    script.base = lambda order: BaseState(red=RED)
    script.reverted = lambda order: RevertResult(outcome=RevertOutcome.CONFLICT, detail="1 file was changed again")
    found = await result(await watch(temporal, seconds=600))
    assert found.outcome is WatchOutcome.STUCK
    assert found.revert is not None
    assert "changed again" in found.revert.detail


def outlook(what: RevertOutlook, *conflicts: str) -> RevertPreview:
    return RevertPreview(outlook=what, base_commit=sha(what), tried_at=RED.observed_at, conflicts=conflicts)


async def looked(script: Script, handle: WorkflowHandle[MergeWatch, WatchResult], times: int) -> None:
    """This watch; those of tests before this one look, too."""

    def own() -> int:
        orders = [order for name, order in script.calls if name == "look_at_base"]
        return sum(watch_workflow_id(order.task.id) == handle.id for order in orders)

    async with asyncio.timeout(30):
        while own() < times:
            await asyncio.sleep(0.02)


async def details(handle: WorkflowHandle[MergeWatch, WatchResult]) -> str:
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details


async def shows(handle: WorkflowHandle[MergeWatch, WatchResult], said: str) -> None:
    """Its page in Temporal's UI."""
    async with asyncio.timeout(30):
        while said not in await details(handle):
            await asyncio.sleep(0.02)


async def test_whether_it_could_be_taken_back_is_shown_and_on_record_before_anybody_asks_and_as_base_moves(
    temporal: Client, script: Script
) -> None:
    clean, conflict = outlook(RevertOutlook.CLEAN), outlook(RevertOutlook.CONFLICT, "calc.py")
    script.base = lambda order: BaseState(outlook=clean)
    handle = await watch(temporal, seconds=600, by_policy=False)
    await shows(handle, "taking the merge back: **clean** (tried at 00:00:00 UTC)")
    # A second look that comes to the same leaves no second entry.
    await handle.signal(MergeWatch.observed)
    await looked(script, handle, 2)
    script.base = lambda order: BaseState(outlook=conflict)
    await handle.signal(MergeWatch.observed)
    await shows(handle, "**conflict** in `calc.py`")
    # What can't be tried just now is no news.
    script.base = lambda order: BaseState(outlook=RevertPreview(outlook=RevertOutlook.UNKNOWN, detail="slow"), red=RED)
    await handle.signal(MergeWatch.observed)
    found = await result(handle)
    assert (found.outcome, found.outlook) == (WatchOutcome.RED, conflict)
    # Watches that earlier tests began go on, and are carried out here, too.
    recorded = [o for name, o in script.calls if name == "record" and watch_workflow_id(o.task_id) == handle.id]
    assert [(order.entry_id, order.data.get("outlook")) for order in recorded[:2]] == [
        ("outlook-1", "clean"),
        ("outlook-2", "conflict"),
    ]
    assert [order.kind for order in recorded[2:]] == ["watch"]


async def test_a_repository_that_is_away_for_a_while_ends_no_watch(temporal: Client, script: Script) -> None:
    def away(order: object) -> BaseState:
        raise ApplicationError("there is no repository in /r", type="RepositoryRefused", non_retryable=True)

    script.base = away
    handle = await watch(temporal, seconds=600)
    await shows(handle, "**gone** `there is no repository in /r`")
    script.base = lambda order: BaseState(red=RED)
    await handle.signal(MergeWatch.observed)
    assert (await result(handle)).outcome is WatchOutcome.REVERTED


async def test_a_quiet_watch_ends_and_a_last_look_finds_what_nobody_told(temporal: Client, script: Script) -> None:
    assert (await result(await watch(temporal, seconds=1))).outcome is WatchOutcome.QUIET
    seen: set[str] = set()

    def red_at_the_second_look(order: LookOrder) -> BaseState:
        # Watches of tests before this one look, too.
        if order.task.id in seen:
            return BaseState(red=RED)
        seen.add(order.task.id)
        return BaseState()

    script.base = red_at_the_second_look
    assert (await result(await watch(temporal, seconds=1))).outcome is WatchOutcome.REVERTED
