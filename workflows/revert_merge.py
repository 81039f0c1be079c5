"""Taking a merged task back: a workflow of its own, so that it works long after the task's has ended."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows import queues, timeouts
from workflows.failures import message_of
from workflows.following import signalled
from workflows.models.conversation import conversation_workflow_id
from workflows.models.pull_request import RevertOutcome, RevertResult
from workflows.models.status import RevertRequest
from workflows.models.steps import RecordOrder, RevertOrder
from workflows.models.trace import StepPlace, revert_context, trace_of
from workflows.presentation import as_code
from workflows.steps import ForgeSteps, RecordSteps


@workflow.defn(name="RevertMerge")
class RevertMerge:
    """Reverts one merge and records what came of it; asking twice reverts once."""

    @workflow.init
    def __init__(self, request: RevertRequest) -> None:
        task = trace_of(request.task.id, request.task.trace)
        revert = revert_context(task, workflow.info().run_id)
        self.place = StepPlace(task_id=request.task.id, task=task, stage=revert)
        """Steps belong to this revert; see workflows.tracing."""

    @workflow.run
    async def run(self, request: RevertRequest) -> RevertResult:
        """Revert, then record. The signature is verified by the step that acts."""
        workflow.set_current_details(f"**revert** of `{request.merge_commit[:12]}`")
        try:
            result = await workflow.execute_activity_method(
                ForgeSteps.revert,
                RevertOrder(
                    task=request.task,
                    merge_commit=request.merge_commit,
                    signed=request.signed,
                    requested_at=request.asked_at.timestamp(),
                    is_drill=request.is_drill,
                ),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.REVERT,
                heartbeat_timeout=timeouts.HEARTBEAT,
                schedule_to_close_timeout=timeouts.REVERT,
                retry_policy=timeouts.FEW,
                summary=f"revert {request.merge_commit[:12]} by {request.asked_by}",
            )
        except ActivityError as error:
            # Whoever asks again finds out first whether this one came through after all.
            detail = f"the revert did not come through: {message_of(error)}"
            result = RevertResult(outcome=RevertOutcome.REFUSED, detail=detail)
        if not request.is_drill:
            await self._record(request, result)
            if workflow.patched("conversation"):
                await signalled(conversation_workflow_id(request.task.id), "changed")
        workflow.set_current_details(f"**{result.outcome}** `{result.commit[:12]}` {as_code(result.detail, 400)}")
        return result

    async def _record(self, request: RevertRequest, result: RevertResult) -> None:
        """Into the task's chain; a drill has no task, and its own record."""
        await workflow.execute_activity_method(
            RecordSteps.record,
            RecordOrder(
                task_id=request.task.id,
                entry_id=f"revert-{workflow.info().run_id}",
                kind="revert",
                data={
                    "result": result.model_dump(mode="json"),
                    "decision": request.signed.model_dump(mode="json") if request.signed is not None else None,
                },
            ),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.QUICK,
            retry_policy=timeouts.PATIENT,
            summary=f"record: {result.outcome}",
        )
