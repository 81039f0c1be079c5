"""A step that reached no worker, or whose worker died, is missed in seconds, however long it might have taken."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.decisions.signing import DecisionSigner, DecisionVerifier
from tests.workflows.scripted import BOB, Desk, Script, a_patch, a_task, sha, workers
from tests.workflows.test_agent_task import base_moves_once
from workers.beating import Beating
from workers.worker import BEAT
from workflows import queues, timeouts
from workflows.models.decision import Action, Decision
from workflows.models.intent import revert_workflow_id
from workflows.models.status import RevertRequest, Stage
from workflows.models.steps import RebaseResult
from workflows.revert_merge import RevertMerge

pytestmark = pytest.mark.xdist_group("temporal")
_QUEUE = "long-steps"
_BEAT = timedelta(seconds=3)
"""A heartbeat that a step takes longer than."""


@pytest_asyncio.fixture
async def script(temporal: Client, signer: DecisionSigner) -> AsyncIterator[Script]:
    script = Script()
    script.verifier = DecisionVerifier.trusting(signer.public_key)
    async with workers(temporal, script):
        yield script


async def test_temporal_misses_every_step_that_nobody_is_at_within_half_a_minute(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    base_moves_once(script)
    script.rebased = lambda order: RebaseResult(patch=a_patch("head-rebased", base="base-2"))
    merged = await Desk.start(temporal, signer)
    await merged.reaches(Stage.REVIEW)
    await merged.decide(Action.APPROVE)
    await merged.decide(Action.MERGE)
    await merged.result()
    rejected = await Desk.start(temporal, signer)
    await rejected.reaches(Stage.REVIEW)
    await rejected.decide(Action.REJECT)
    await rejected.result()
    missed = await _missed_after(merged.handle) | await _missed_after(rejected.handle)
    missed |= await _missed_after(await _revert(temporal, signer))
    # The host's attendance is beside these, and has its own.
    assert missed.keys() > {"prepare", "run_agent", "evaluate", "release", "propose", "rebase", "merge", "revert"}
    assert {step: after for step, after in missed.items() if after > timeouts.HEARTBEAT} == {}


async def test_a_revert_on_a_slow_forge_is_not_begun_anew_within_its_two_minutes(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    """A forge that takes 5 s for each of a revert's requests needs a minute for one try."""
    events = (await (await _revert(temporal, signer)).fetch_history()).events
    (revert,) = [
        event.activity_task_scheduled_event_attributes
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "revert"
    ]
    assert revert.start_to_close_timeout.ToTimedelta() == timedelta(minutes=2)
    assert revert.schedule_to_close_timeout.ToTimedelta() == timedelta(minutes=2)


async def _revert(temporal: Client, signer: DecisionSigner) -> WorkflowHandle[Any, Any]:
    task, now = a_task(), datetime.now(UTC)
    decision = Decision(
        action=Action.REVERT, person=BOB, task_id=task.id, decided_at=now, expires_at=now + timedelta(hours=1)
    )
    handle = await temporal.start_workflow(
        RevertMerge.run,
        RevertRequest(task=task, merge_commit=sha("merge"), signed=signer.sign(decision)),
        id=revert_workflow_id(task.id),
        task_queue=queues.ORCHESTRATE,
    )
    await handle.result()
    return handle


async def _missed_after(handle: WorkflowHandle[Any, Any]) -> dict[str, timedelta]:
    """After how long Temporal gives up a step that it handed out and never heard of again, by its name."""
    missed = {}
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            beat = scheduled.heartbeat_timeout.ToTimedelta()
            longest = scheduled.start_to_close_timeout.ToTimedelta()
            missed[scheduled.activity_type.name] = min(beat, longest) if beat else longest
    return missed


@activity.defn(name="long_step")
async def _long_step() -> int:
    """Says nothing for longer than its heartbeat may stay away."""
    await asyncio.sleep(2 * _BEAT.total_seconds())
    return activity.info().attempt


@workflow.defn(name="LongStep")
class _LongStep:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            _long_step, start_to_close_timeout=timedelta(minutes=1), heartbeat_timeout=_BEAT
        )


async def test_a_step_that_takes_long_is_not_taken_for_one_that_nobody_is_at(temporal: Client) -> None:
    async with Worker(
        temporal,
        task_queue=_QUEUE,
        workflows=[_LongStep],
        activities=[_long_step],
        interceptors=[Beating()],
        max_heartbeat_throttle_interval=BEAT,
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        assert (
            await temporal.execute_workflow(_LongStep.run, id=f"{_QUEUE}-{os.urandom(4).hex()}", task_queue=_QUEUE) == 1
        )
