"""One task from its intent to its end: the steps of the design, in order.

    prepare → context → run → export → evaluate (→ run again with feedback) → propose → review → merge → record

Nothing here does I/O. While a task waits for a person it holds no workspace, no sandbox and no worker slot; the one
exception is a run that stands still at a cap. The parts: hosting.py (where), rounds.py and running.py (the work),
review_desk.py and asking.py (people), landing.py (the way onto base).
"""

import asyncio
import contextlib
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import queues, timeouts
from workflows.failures import message_of
from workflows.hosting import Hosting
from workflows.landing import Landing
from workflows.models.decision import Action, SignedDecision
from workflows.models.status import Outcome, Stage, TaskOrder, TaskStatus
from workflows.models.steps import ClosePullRequestOrder, RecordOrder
from workflows.progress import Progress
from workflows.review_desk import ReviewDesk
from workflows.rounds import Rounds
from workflows.steps import ForgeSteps, RecordSteps


@workflow.defn(name="AgentTask")
class AgentTask(ReviewDesk):
    """Carries one task from admission to its outcome. People's decisions come in through ReviewDesk."""

    @workflow.init
    def __init__(self, order: TaskOrder) -> None:
        super().__init__(Progress(order.task))
        hosting = Hosting(self.progress, timedelta(seconds=order.host_silence_seconds))
        self._rounds = Rounds(self.progress, hosting, self.asking)
        self._landing = Landing(self, hosting, self._rounds, max_rebases=order.max_rebases)

    @workflow.run
    async def run(self, order: TaskOrder) -> TaskStatus:
        """Carry out the task; the result is its final status, whatever the outcome."""
        carrying = asyncio.ensure_future(self._carry_out())
        try:
            await workflow.wait_condition(lambda: carrying.done() or self.cancellation is not None)
            if self.cancellation is not None and not carrying.done():
                await self._abandon(carrying, f"cancelled by {self.cancellation.decision.said_by}")
            await carrying
        except asyncio.CancelledError:
            if self.progress.status.outcome is None:
                await self._abandon(carrying, "cancelled in Temporal")
        except (ActivityError, ApplicationError) as error:
            await self._close(message_of(error))
            self.progress.end(Outcome.FAILED, message_of(error))
        await self._record()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.progress.status

    async def _carry_out(self) -> None:
        guidance = ""
        while await self._rounds.work(guidance):
            if not self.progress.evaluation.blocked:
                await self._landing.propose()
            chosen = await self._review()
            if chosen is None:
                return
            if chosen.decision.action is Action.REJECT:
                await self._close(chosen.decision.message or "rejected")
                self.progress.end(Outcome.REJECTED, f"rejected by {chosen.decision.said_by}")
                return
            guidance = chosen.decision.message
        # After a request for changes there is a pull request of the rounds before, which nobody carries on.
        await self._close(self.progress.status.message)

    async def _review(self) -> SignedDecision | None:
        """Wait for people. Returns what ends the review, or None when the patch is merged."""
        self.open_review(Stage.GUIDANCE if self.progress.evaluation.blocked else Stage.REVIEW)
        while True:
            chosen = await self.next_choice()
            if chosen.decision.action is not Action.MERGE:
                return chosen
            if await self._landing.merge(chosen):
                return None

    async def _abandon(self, carrying: "asyncio.Future[None]", reason: str) -> None:
        """Stop what is going on, and clean up after it."""
        carrying.cancel()
        with contextlib.suppress(asyncio.CancelledError, ActivityError, ApplicationError):
            await carrying
        if self.progress.status.outcome is Outcome.MERGED:
            return
        await self._close(reason)
        self.progress.end(Outcome.CANCELLED, reason)

    async def _close(self, reason: str) -> None:
        """Close the pull request, if there is one. A task ends also when its repository is gone meanwhile."""
        status = self.progress.status
        if status.pull_request is None:
            return
        try:
            await workflow.execute_activity_method(
                ForgeSteps.close_pull_request,
                ClosePullRequestOrder(task=status.task, pull_request=status.pull_request, reason=reason),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.FORGE,
                retry_policy=timeouts.FEW,
                summary="close the pull request",
            )
        except ActivityError as error:
            self.progress.say(f"the pull request could not be closed: {message_of(error)}")

    async def _record(self) -> None:
        status = self.progress.status
        await workflow.execute_activity_method(
            RecordSteps.record,
            RecordOrder(
                task_id=status.task.id, entry_id="outcome", kind="outcome", data=status.model_dump(mode="json")
            ),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.QUICK,
            retry_policy=timeouts.PATIENT,
            summary=f"record the outcome: {status.outcome}",
        )
