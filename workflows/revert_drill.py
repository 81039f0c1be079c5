"""A drill: a change of the canary repository is merged, and taken back on the way that every merge is taken back."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ChildWorkflowError

from workflows import queues, timeouts
from workflows.failures import message_of
from workflows.models.drill import CanaryOrder, CanaryProposal, DrillOrder, DrillResult
from workflows.models.intent import revert_workflow_id, task_id
from workflows.models.pull_request import MergeOutcome, MergeResult
from workflows.models.status import RevertRequest
from workflows.presentation import as_code
from workflows.revert_merge import RevertMerge
from workflows.steps import DrillSteps

_TRIES = 3
"""Others may push to the canary, too."""


@workflow.defn(name="RevertDrill")
class RevertDrill:
    """Tries a revert, and puts on record how long it took."""

    @workflow.run
    async def run(self, order: DrillOrder) -> DrillResult:
        """Merge, revert, record. Whatever fails is the result."""
        drill_id = f"drill-{task_id(workflow.info().run_id)}"
        result = DrillResult(drill_id=drill_id, asked_by=order.asked_by, began=workflow.now())
        try:
            result = await self._merged_and_reverted(result)
        except (ActivityError, ChildWorkflowError) as error:
            result = result.model_copy(update={"detail": message_of(error)})
        result = await workflow.execute_activity_method(
            DrillSteps.finish_drill,
            result,
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.PATIENT,
            summary=f"record drill {drill_id}",
        )
        workflow.set_current_details(as_code(result.told, 400))
        return result

    async def _merged_and_reverted(self, result: DrillResult) -> DrillResult:
        for _ in range(_TRIES):
            proposal = await self._propose(result)
            task = proposal.task
            if task is None:
                return result.model_copy(update={"detail": proposal.refusal})
            result = result.model_copy(update={"repository": task.repository.url})
            merge = await self._merge(result)
            if merge.outcome is MergeOutcome.MERGED:
                request = RevertRequest(
                    task=task, merge_commit=merge.commit, requested_at=workflow.now(), is_drill=True
                )
                revert = await workflow.execute_child_workflow(
                    RevertMerge.run,
                    request,
                    id=revert_workflow_id(task.id),
                    task_queue=queues.ORCHESTRATE,
                    static_summary=f"revert {task.repository.name}: drill {task.id}",
                )
                return result.model_copy(update={"merge_commit": merge.commit, "revert": revert})
            if merge.outcome is not MergeOutcome.BASE_MOVED:
                break
        return result.model_copy(update={"detail": f"the canary's change was not merged: {merge.detail}"})

    async def _propose(self, result: DrillResult) -> CanaryProposal:
        return await workflow.execute_activity_method(
            DrillSteps.propose_canary,
            CanaryOrder(drill_id=result.drill_id, began=result.began),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.FEW,
            summary="propose a change of the canary",
        )

    async def _merge(self, result: DrillResult) -> MergeResult:
        return await workflow.execute_activity_method(
            DrillSteps.merge_canary,
            CanaryOrder(drill_id=result.drill_id, began=result.began),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.OUTWARD,
            heartbeat_timeout=timeouts.HEARTBEAT,
            schedule_to_close_timeout=timeouts.MERGE,
            retry_policy=timeouts.FEW,
            summary="merge it",
        )
