"""Sharing a day's money between tasks, through the entity that serialises it."""

from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from workflows import queues
from workflows.models.steps import Nothing
from workflows.models.usage import Reserve, Reserved, Settle, TeamDays, team_budget_workflow_id


class BudgetActivities:
    """Implements steps.BudgetSteps."""

    def __init__(self, temporal: Client) -> None:
        self._temporal = temporal

    @activity.defn(name="reserve_budget")
    async def reserve_budget(self, order: Reserve) -> Reserved:
        """Reserve for a run; asking again for the same changes nothing, since it is what the run may use in all."""
        reserved: Reserved = await self._temporal.execute_update_with_start_workflow(
            "reserve", order, start_workflow_operation=_entity(order.team), result_type=Reserved
        )
        return reserved

    @activity.defn(name="settle_budget")
    async def settle_budget(self, order: Settle) -> Nothing:
        """Count what a run has used; twice is once."""
        await self._temporal.execute_update_with_start_workflow(
            "settle", order, start_workflow_operation=_entity(order.team), result_type=Nothing
        )
        return Nothing()


def _entity(team: str) -> WithStartWorkflowOperation[object, object]:
    return WithStartWorkflowOperation(
        "TeamBudget",
        TeamDays(team=team),
        id=team_budget_workflow_id(team),
        task_queue=queues.ORCHESTRATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        static_summary=f"budget of {team}",
    )
