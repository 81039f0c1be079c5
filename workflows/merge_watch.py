"""Watching base after a merge: what policy merged, policy takes back when base turns red by it.

What taking it back would come to is tried at each look, so that it is known before anybody has to ask. Policy's revert
is tried once more on base of its own moment, by the step that makes it: it is made if it is clean, and else is for
people.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, WorkflowAlreadyStartedError

from workflows import queues, timeouts
from workflows.failures import message_of
from workflows.following import signalled
from workflows.models.base import Model
from workflows.models.conversation import conversation_workflow_id
from workflows.models.intent import revert_workflow_id
from workflows.models.observation import Observation
from workflows.models.pull_request import RevertOutcome, RevertOutlook, RevertPreview, RevertResult
from workflows.models.status import RevertRequest
from workflows.models.steps import RecordOrder
from workflows.models.trace import StepPlace, trace_of
from workflows.models.watch import BaseState, LookOrder, WatchOrder, WatchOutcome, WatchResult
from workflows.presentation import as_code, outlook_details
from workflows.revert_merge import RevertMerge
from workflows.steps import RecordSteps, WatchSteps

_FIRST_LOOK = timedelta(seconds=20)
"""What was observed while nobody knew yet of this watch is on record, and found by then."""
_LONGEST_PAUSE = timedelta(hours=1)
"""Between looks: from the first they are twice as far apart each time. News of base does not wait for one."""
_GONE = "RepositoryRefused"
"""Type of the error of a look at a repository that is not there, or not as it has to be."""


@workflow.defn(name="MergeWatch")
class MergeWatch:
    """Waits until base has turned red by one merge, or its time is over."""

    @workflow.init
    def __init__(self, order: WatchOrder) -> None:
        self._order = order
        self._news = False
        self._outlook: RevertPreview | None = None
        self._outlooks = 0
        task = trace_of(order.task.id, order.task.trace)
        self.place = StepPlace(task_id=order.task.id, task=task, stage=task)
        """Steps belong to the task; see workflows.tracing."""

    @workflow.run
    async def run(self, order: WatchOrder) -> WatchResult:
        """Watch, react, record."""
        ends = workflow.now() + timedelta(seconds=order.seconds)
        prepares = workflow.patched("prepared-revert")
        pause = _FIRST_LOOK
        while True:
            self._news = False
            state = await self._look()
            another = self._keep(state.outlook)
            if state.red is not None:
                # At once: what a revert would come to is recorded with what came of it.
                result = await self._react(state.red)
                break
            self._tell(ends)
            if prepares and another is not None:
                self._outlooks += 1
                await self._put("outlook", f"outlook-{self._outlooks}", another, f"a revert: {another.outlook}")
            left = ends - workflow.now()
            if left <= timedelta():
                result = WatchResult(outcome=WatchOutcome.QUIET, outlook=self._outlook)
                break
            try:
                await workflow.wait_condition(
                    lambda: self._news, timeout=min(left, pause), timeout_summary="news of base"
                )
            except TimeoutError:
                pause = min(2 * pause, _LONGEST_PAUSE) if prepares else left
        await self._record(result)
        if result.red is not None and workflow.patched("tells-of-red"):
            # Where people talk about the task they decide by it. A revert tells of itself.
            await signalled(conversation_workflow_id(order.task.id), "changed")
        return result

    @workflow.signal
    def observed(self) -> None:
        """Something about this repository is on record: look again. It says nothing itself, so nobody can forge it."""
        self._news = True

    async def _look(self) -> BaseState:
        try:
            return await self._look_once()
        except ActivityError as error:
            if not (isinstance(error.cause, ApplicationError) and error.cause.type == _GONE):
                raise
            # It may be back before the watch is over.
            detail = error.cause.message
            return BaseState(outlook=RevertPreview(outlook=RevertOutlook.GONE, detail=detail, tried_at=workflow.now()))

    async def _look_once(self) -> BaseState:
        return await workflow.execute_activity_method(
            WatchSteps.look_at_base,
            LookOrder(task=self._order.task),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.PATIENT,
            summary="look at base",
        )

    def _keep(self, found: RevertPreview | None) -> RevertPreview | None:
        """Keep what a revert would come to; returns it if that is another than before."""
        known = self._outlook
        if found is None or (known is not None and not found.was_tried):
            return None
        self._outlook = found
        same = known is not None and (known.outlook, known.conflicts) == (found.outlook, found.conflicts)
        return None if same else found

    def _tell(self, ends: datetime) -> None:
        lines = [f"watches base until {ends:%H:%M:%S} UTC"]
        if self._outlook is not None:
            lines.append(f"taking the merge back: {outlook_details(self._outlook)}")
        workflow.set_current_details("\n\n".join(lines))

    async def _react(self, red: Observation) -> WatchResult:
        """People decide about what people merged."""
        if not self._order.by_policy:
            told = f"; a revert: {outlook_details(self._outlook)}" if self._outlook is not None else ""
            workflow.set_current_details(f"**red**: {as_code(red.name)} on `{red.commit[:12]}`; people decide{told}")
            return WatchResult(outcome=WatchOutcome.RED, red=red, outlook=self._outlook)
        revert = await self._revert()
        outcome = WatchOutcome.REVERTED if revert.outcome.is_back else WatchOutcome.STUCK
        told = f"; people have to: {as_code(revert.detail, 400)}" if outcome is WatchOutcome.STUCK else ""
        workflow.set_current_details(f"**{outcome}**: {as_code(red.name)} on `{red.commit[:12]}`{told}")
        return WatchResult(outcome=outcome, red=red, revert=revert, outlook=self._outlook)

    async def _revert(self) -> RevertResult:
        order = self._order
        request = RevertRequest(task=order.task, merge_commit=order.merge_commit, requested_at=workflow.now())
        try:
            return await workflow.execute_child_workflow(
                RevertMerge.run,
                request,
                id=revert_workflow_id(order.task.id),
                task_queue=queues.ORCHESTRATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"revert {order.task.repository.name}: task {order.task.id}, by policy",
            )
        except (ChildWorkflowError, WorkflowAlreadyStartedError) as error:
            # A person is taking it back just now; that revert tells what comes of it.
            detail = f"policy did not take it back: {message_of(error)}"
            return RevertResult(outcome=RevertOutcome.REFUSED, detail=detail)

    async def _record(self, result: WatchResult) -> None:
        await self._put("watch", "watch", result, str(result.outcome))

    async def _put(self, kind: str, entry_id: str, said: Model, summary: str) -> None:
        await workflow.execute_activity_method(
            RecordSteps.record,
            RecordOrder(task_id=self._order.task.id, entry_id=entry_id, kind=kind, data=said.model_dump(mode="json")),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.QUICK,
            retry_policy=timeouts.PATIENT,
            summary=f"record: {summary}",
        )
