"""Finding placements that no task needs any more: its workflow was terminated, or went on elsewhere.

Workflows give their placement back themselves. This is for the rest: a workflow that somebody terminated, a step whose
first attempt took a place on a host that then lost touch, what a worker was making or removing when it was killed.
"""

import asyncio

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.host.placements import Held
from workers.parts.host import HostParts
from workflows.models.intent import task_workflow_id
from workflows.models.status import TaskStatus


async def sweep(client: Client, host: HostParts) -> list[str]:
    """Give back every placement of this host that is over; returns the tasks it belonged to. Raises RPCError."""
    swept = []
    for held in host.placements.all():
        if await _is_over(client, host.host, held):
            await host.giving_back.give_back(held)
            swept.append(held.task_id)
    await asyncio.to_thread(host.sandboxes.remove_abandoned)
    return [*swept, *await host.giving_back.clear_strays()]


async def _is_over(client: Client, host: str, held: Held) -> bool:
    handle = client.get_workflow_handle(task_workflow_id(held.task_id))
    try:
        if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
            return True
        status: TaskStatus = await handle.query("status", result_type=TaskStatus)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return True
        raise
    placed = status.placement
    # An older placement on record means that prepare is under way here and the workflow does not know of it yet.
    if placed is None or placed.epoch < held.epoch:
        return False
    return placed.epoch > held.epoch or placed.host != host
