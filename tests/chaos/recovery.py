"""How long it took after a fault until what it hit was at work again, as Temporal's server sees it.

A task is at work again when a step of it has begun, heartbeat or ended since the fault. One that waits for a person or
for a place, or has ended, has nothing that could go on. A gateway is, when it answers.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from tests.chaos.faults import Struck
from tests.chaos.world import World
from workflows.models.intent import task_workflow_id

_LOOK_SECONDS = 0.5
_GIVEN_UP_SECONDS = 300.0
_ATTENDANCE = "attend"
_RPC = timedelta(seconds=5)


@dataclass(frozen=True)
class Recovered:
    """One fault, and after how many seconds nothing was left of its effect. None: it was never over."""

    struck: Struck
    seconds: float | None
    waited_for: str = ""
    """The task that was the last to go on, and where it stood meanwhile."""


async def watch(world: World, struck: Struck) -> Recovered:
    """Wait until everything the fault hit is at work again."""
    left = set(struck.tasks)
    waited_for = ""
    while time.time() - struck.at < _GIVEN_UP_SECONDS:
        if struck.victim == "gateway":
            if await world.answers():
                return _after(struck)
        else:
            for task in tuple(left):
                stands = await _stands(world, task, struck.at)
                if stands is None:
                    left.discard(task)
                else:
                    waited_for = f"{task}: {stands}"
            if not left and (struck.tasks or await _serves(world)):
                return _after(struck, waited_for)
        await asyncio.sleep(_LOOK_SECONDS)
    return Recovered(struck, None, waited_for)


def _after(struck: Struck, waited_for: str = "") -> Recovered:
    return Recovered(struck, time.time() - struck.at, waited_for)


async def _serves(world: World) -> bool:
    try:
        client = await world.client()
        await client.count_workflows("WorkflowType = 'AgentTask'", rpc_timeout=_RPC)
    except Exception:
        return False
    return True


async def _stands(world: World, task: str, since: float) -> str | None:
    """None if the task is at work again; else what it waits for."""
    try:
        client = await world.client()
        told = await client.get_workflow_handle(task_workflow_id(task)).describe(rpc_timeout=_RPC)
    except RPCError as error:
        # A run of no task, such as a trial of limits: nothing of it goes on.
        return None if error.status is RPCStatusCode.NOT_FOUND else f"Temporal is {error.status.name}"
    except Exception as error:
        return f"Temporal can't be asked: {type(error).__name__}"
    if told.status is not WorkflowExecutionStatus.RUNNING:
        return None
    pending = [one for one in told.raw_description.pending_activities if one.activity_type.name != _ATTENDANCE]
    if not pending:
        # It waits for a person, or is just between two steps: then a worker has its workflow in hand.
        return "a workflow task" if told.raw_description.HasField("pending_workflow_task") else None
    moments = [
        moment.seconds + moment.nanos / 1e9
        for one in pending
        for moment in (one.last_heartbeat_time, one.last_started_time)
    ]
    goes_on = max(moments) > since or all(one.attempt <= 1 and not one.last_started_time.seconds for one in pending)
    return None if goes_on else ", ".join(_told(one) for one in pending)


def _told(step: PendingActivityInfo) -> str:
    state = PendingActivityState.Name(step.state).removeprefix("PENDING_ACTIVITY_STATE_").lower()
    return f"{step.activity_type.name}, attempt {step.attempt}, {state} {step.last_failure.message[:80]}".strip()
