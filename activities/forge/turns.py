"""Turns to merge onto a busy base, through the entity that keeps the line."""

from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowQueryRejectedError
from temporalio.common import QueryRejectCondition, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from workflows import queues
from workflows.models.steps import Nothing
from workflows.models.task import Task
from workflows.models.turn import TurnOrder, Turns, turns_workflow_id


class MergeTurnActivities:
    """Implements steps.TurnSteps, and answers whose turn it is."""

    def __init__(self, temporal: Client) -> None:
        self._temporal = temporal

    @activity.defn(name="take_turn")
    async def take_turn(self, order: TurnOrder) -> Turns:
        """Stand in line; the workflow is told by a signal when its turn has come."""
        start = WithStartWorkflowOperation[object, object](
            "MergeTurns",
            id=order.workflow_id,
            task_queue=queues.ORCHESTRATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary=f"merges onto {order.repository.name} {order.base}",
        )
        turns: Turns = await self._temporal.execute_update_with_start_workflow(
            "take", order, start_workflow_operation=start, result_type=Turns
        )
        return turns

    @activity.defn(name="give_turn_back")
    async def give_turn_back(self, order: TurnOrder) -> Nothing:
        """Leave the line; a line that is no more was left already."""
        handle = self._temporal.get_workflow_handle(order.workflow_id)
        try:
            await handle.execute_update("give_back", order, result_type=Turns)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return Nothing()

    async def whose(self, task: Task) -> str:
        """Id of the task that may merge onto this task's base now; empty if nobody queues there."""
        handle = self._temporal.get_workflow_handle(turns_workflow_id(task.repository, task.base))
        try:
            turns: Turns = await handle.query(
                "turns", result_type=Turns, reject_condition=QueryRejectCondition.NOT_OPEN
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return ""
        except WorkflowQueryRejectedError:
            return ""
        return turns.waiting[0] if turns.waiting else ""
