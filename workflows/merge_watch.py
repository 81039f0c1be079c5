"""Watching base after a merge: what policy merged, policy takes back when base turns red by it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError

from workflows import queues, timeouts
from workflows.failures import message_of
from workflows.models.intent import revert_workflow_id
from workflows.models.observation import Observation
from workflows.models.pull_request import RevertOutcome, RevertResult
from workflows.models.status import RevertRequest
from workflows.models.steps import RecordOrder
from workflows.models.trace import StepPlace, trace_of
from workflows.models.watch import BaseState, LookOrder, WatchOrder, WatchOutcome, WatchResult
from workflows.presentation import as_code
from workflows.revert_merge import RevertMerge
from workflows.steps import RecordSteps, WatchSteps

_FIRST_LOOK = timedelta(seconds=20)
"""What was observed while nobody knew yet of this watch is on record, and found by then."""
_BACK = {RevertOutcome.REVERTED, RevertOutcome.ALREADY_REVERTED}


@workflow.defn(name="MergeWatch")
class MergeWatch:
    """Waits until base has turned red by one merge, or its time is over."""

    @workflow.init
    def __init__(self, order: WatchOrder) -> None:
        self._order = order
        self._news = False
        task = trace_of(order.task.id, order.task.trace)
        self.place = StepPlace(task_id=order.task.id, task=task, stage=task)
        """Steps belong to the task; see workflows.tracing."""

    @workflow.run
    async def run(self, order: WatchOrder) -> WatchResult:
        """Watch, react, record."""
        ends = workflow.now() + timedelta(seconds=order.seconds)
        workflow.set_current_details(f"watches base until {ends:%H:%M:%S} UTC")
        pause = _FIRST_LOOK
        while True:
            self._news = False
            state = await self._look()
            if state.red is not None:
                result = await self._react(state.red)
                break
            left = ends - workflow.now()
            if left <= timedelta():
                result = WatchResult(outcome=WatchOutcome.QUIET)
                break
            try:
                await workflow.wait_condition(
                    lambda: self._news, timeout=min(left, pause), timeout_summary="news of base"
                )
            except TimeoutError:
                pause = left
        await self._record(result)
        return result

    @workflow.signal
    def observed(self) -> None:
        """Something about this repository is on record: look again. It says nothing itself, so nobody can forge it."""
        self._news = True

    async def _look(self) -> BaseState:
        return await workflow.execute_activity_method(
            WatchSteps.look_at_base,
            LookOrder(task=self._order.task),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.PATIENT,
            summary="look at base",
        )

    async def _react(self, red: Observation) -> WatchResult:
        """People decide about what people merged."""
        if not self._order.by_policy:
            workflow.set_current_details(f"**red**: {as_code(red.name)} on `{red.commit[:12]}`; people decide")
            return WatchResult(outcome=WatchOutcome.RED, red=red)
        revert = await self._revert()
        outcome = WatchOutcome.REVERTED if revert.outcome in _BACK else WatchOutcome.STUCK
        workflow.set_current_details(f"**{outcome}**: {as_code(red.name)} on `{red.commit[:12]}`")
        return WatchResult(outcome=outcome, red=red, revert=revert)

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
        await workflow.execute_activity_method(
            RecordSteps.record,
            RecordOrder(
                task_id=self._order.task.id, entry_id="watch", kind="watch", data=result.model_dump(mode="json")
            ),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.QUICK,
            retry_policy=timeouts.PATIENT,
            summary=f"record: {result.outcome}",
        )
