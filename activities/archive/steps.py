"""The steps that put facts on record.

Nothing that a merge or a revert rests on comes in here: that is signed by whoever found it out. Still, each entry is
of a kind that a workflow has to say, about its own task, and a merge that nobody made is no outcome.
"""

from datetime import UTC, datetime

from temporalio import activity

from activities.archive.contract import TaskChains
from activities.archive.ended import EndedTasks
from activities.callers import only_called_by
from activities.decisions.attested import Attested
from activities.decisions.authority import Authority
from activities.decisions.host_answers import HostAnswers
from activities.decisions.refused import ActionRefused
from activities.decisions.withdrawals import OUTCOME, Withdrawals
from activities.failures import step
from activities.tracing.task_spans import RevertRecord
from activities.tracing.traces import Traces
from workflows.models.intent import revert_workflow_id, task_workflow_id, watch_workflow_id
from workflows.models.pull_request import RevertPreview
from workflows.models.status import Outcome, TaskStatus
from workflows.models.steps import DecisionOrder, DecisionVerdict, Nothing, RecordOrder
from workflows.models.watch import WatchResult

REVERT = "revert"
WATCH = "watch"
OUTLOOK = "outlook"


class RecordActivities:
    """Implements steps.RecordSteps."""

    def __init__(
        self,
        chains: TaskChains,
        ended: EndedTasks,
        decided: Withdrawals,
        hosts: HostAnswers,
        authority: Authority,
        attested: Attested,
        traces: Traces,
    ) -> None:
        self._chains = chains
        self._ended = ended
        self._decided = decided
        self._hosts = hosts
        self._authority = authority
        self._attested = attested
        self._traces = traces

    @activity.defn(name="verify_decision")
    @step
    async def verify_decision(self, order: DecisionOrder) -> DecisionVerdict:
        """Whether a decision holds; if so it goes on record, once: the task's, and what it changes beyond the task."""
        only_called_by(task_workflow_id(order.task.id))
        if reason := await self._authority.refusal(order.signed, order.task, order.policy):
            return DecisionVerdict(valid=False, refusal=reason)
        await self._decided.put(order.signed)
        await self._hosts.keep(order.signed, order.task.repository.url)
        return DecisionVerdict(valid=True)

    @activity.defn(name="record")
    @step
    async def record(self, order: RecordOrder) -> Nothing:
        """Append a task's outcome, or what came of its revert, of trying one, or of the watch over its merge, once."""
        if order.kind == OUTCOME:
            only_called_by(task_workflow_id(order.task_id))
            await self._check_outcome(order)
            # First: an outcome that no sweep knows of would keep what it should not.
            await self._ended.add(order.task_id, datetime.now(UTC))
        elif order.kind == REVERT:
            only_called_by(revert_workflow_id(order.task_id))
            self._check_revert(order)
        elif order.kind == WATCH:
            only_called_by(watch_workflow_id(order.task_id))
            WatchResult.model_validate(order.data)
        elif order.kind == OUTLOOK:
            only_called_by(watch_workflow_id(order.task_id))
            self._check_outlook(order)
        else:
            raise ActionRefused(f"refused: no workflow may put {order.kind!r} on record")
        await self._chains.append(order.task_id, order.entry_id, order.kind, order.data, order.artifacts)
        self._traces.recorded(order)
        return Nothing()

    async def _check_outcome(self, order: RecordOrder) -> None:
        status = TaskStatus.model_validate(order.data)
        if order.entry_id != OUTCOME or status.task.id != order.task_id or status.outcome is None:
            raise ActionRefused(f"refused: this is no outcome of task {order.task_id}")
        merge = await self._attested.merge(order.task_id)
        if status.outcome is Outcome.MERGED and (merge is None or merge.commit != status.merge_commit):
            raise ActionRefused(f"refused: no worker has merged task {order.task_id} as {status.merge_commit[:12]}")

    def _check_outlook(self, order: RecordOrder) -> None:
        RevertPreview.model_validate(order.data)
        if not order.entry_id.startswith(f"{OUTLOOK}-"):
            raise ActionRefused(f"refused: this is no outlook of a revert of task {order.task_id}")

    def _check_revert(self, order: RecordOrder) -> None:
        decided = RevertRecord.model_validate(order.data).decision
        is_other_s = decided is not None and decided.decision.task_id != order.task_id
        if not order.entry_id.startswith(f"{REVERT}-") or is_other_s:
            raise ActionRefused(f"refused: this is no revert of task {order.task_id}")
