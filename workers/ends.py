"""Tasks whose workflow ended without saying how: somebody terminated it, or Temporal ended it.

Their record would stay open for ever, and with it the intent. So whoever notices puts the outcome on record in the
workflow's place, and closes the pull request that nobody will merge any more.
"""

import logging
from datetime import UTC, datetime

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowHistoryEventFilterType
from temporalio.service import RPCError, RPCStatusCode

from activities.archive.contract import TaskChains
from activities.archive.ended import EndedTasks
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested
from activities.decisions.refused import ActionRefused
from activities.decisions.withdrawals import OUTCOME
from activities.forge.contract import Forge
from activities.repository.git import GitError, RepositoryRefused
from activities.tracing.recorder import Recorder
from activities.tracing.task_spans import task_spans
from workflows.models.intent import task_workflow_id
from workflows.models.status import Outcome, Stage, TaskStatus
from workflows.models.task import Task

_CLOSED = "WorkflowType = 'AgentTask' AND ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')"
_log = logging.getLogger(__name__)


class Ends:
    """Puts outcomes on record that no workflow will."""

    def __init__(
        self,
        client: Client,
        chains: TaskChains,
        index: EndedTasks,
        admissions: Admissions,
        attested: Attested,
        forge: Forge,
        recorder: Recorder,
    ) -> None:
        self._client = client
        self._chains = chains
        self._index = index
        self._admissions = admissions
        self._attested = attested
        self._forge = forge
        self._recorder = recorder
        self._known: set[str] = set()

    async def record_all(self) -> list[str]:
        """Look for such tasks; returns those whose outcome is on record now. Raises RPCError."""
        recorded = []
        async for execution in self._client.list_workflows(_CLOSED):
            task_id = execution.id.removeprefix("task/")
            if task_id in self._known:
                continue
            self._known.add(task_id)
            try:
                if await self.record(task_id) is not None:
                    recorded.append(task_id)
            except ActionRefused as refused:
                _log.info("a workflow that the gateway did not start has ended: %s", refused)
        return recorded

    async def record(self, task_id: str) -> TaskStatus | None:
        """Put on record how a task ended whose workflow did not; None if there is nothing to do.

        Raises ActionRefused for a task that was never admitted, and RPCError.
        """
        task = await self._admissions.of(task_id)
        if any(entry.kind == OUTCOME for entry in await self._chains.entries(task_id)):
            return None
        handle = self._client.get_workflow_handle(task_workflow_id(task_id))
        try:
            status = (await handle.describe()).status
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        if status in {WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW}:
            return None
        ended = await self._ended(task, handle)
        await self._index.add(task_id, datetime.now(UTC))
        await self._chains.append(task_id, OUTCOME, OUTCOME, ended.model_dump(mode="json"))
        self._recorder.record_once(f"task-{task_id}", task_spans(ended))
        return ended

    async def as_left(self, task_id: str, why: str) -> TaskStatus:
        """How a task looks whose workflow has ended and of which nothing may be put on record. Raises RPCError."""
        handle = self._client.get_workflow_handle(task_workflow_id(task_id))
        last: TaskStatus = await handle.query("status", result_type=TaskStatus)
        outcome, reason = await _reason(handle)
        return last.model_copy(
            update={
                "stage": Stage.ENDED,
                "outcome": outcome,
                "message": f"{reason}; this is not on record: {why}",
                "waits_for": "",
                "question": None,
            }
        )

    async def _ended(self, task: Task, handle: WorkflowHandle[object, object]) -> TaskStatus:
        outcome, why = await _reason(handle)
        last = await self._last_status(task, handle)
        spans = tuple(
            span if span.ended else span.model_copy(update={"ended": datetime.now(UTC)}) for span in last.spans
        )
        merge = await self._attested.merge(task.id)
        if merge is None and last.pull_request is not None:
            try:
                await self._forge.close(task, last.pull_request, why)
            except (GitError, RepositoryRefused) as error:
                why = f"{why}; its pull request could not be closed: {error}"
        return last.model_copy(
            update={
                "stage": Stage.ENDED,
                "outcome": outcome if merge is None else Outcome.MERGED,
                "merge_commit": "" if merge is None else merge.commit,
                "message": why,
                "waits_for": "",
                "question": None,
                "spans": spans,
            }
        )

    async def _last_status(self, task: Task, handle: WorkflowHandle[object, object]) -> TaskStatus:
        """What the workflow said last, if a worker can still tell and it speaks of this task."""
        try:
            status: TaskStatus = await handle.query("status", result_type=TaskStatus)
        except Exception as error:  # whatever keeps it from being known, the task has ended
            _log.warning("where task %s stood when it ended is not known: %s", task.id, error)
            return TaskStatus(task=task)
        return status if status.task.model_dump() == task.model_dump() else TaskStatus(task=task)


async def _reason(handle: WorkflowHandle[object, object]) -> tuple[Outcome, str]:
    close = WorkflowHistoryEventFilterType.CLOSE_EVENT
    async for event in handle.fetch_history_events(event_filter_type=close, skip_archival=True):
        if event.HasField("workflow_execution_terminated_event_attributes"):
            given = event.workflow_execution_terminated_event_attributes.reason or "no reason was given"
            return Outcome.CANCELLED, f"its workflow was terminated in Temporal: {given}"
        if event.HasField("workflow_execution_failed_event_attributes"):
            said = event.workflow_execution_failed_event_attributes.failure.message
            return Outcome.FAILED, f"its workflow failed: {said}"
    return Outcome.FAILED, "its workflow ended without an outcome"
