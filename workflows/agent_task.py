"""One task from its intent to its end: the steps of the design, in order.

    prepare → context → run → export → evaluate (→ run again with feedback) → propose → gate → review → merge → record

Nothing here does I/O. While a task waits for a person it holds no workspace, no sandbox and no worker slot; the one
exception is a run that stands still at a cap. The parts: hosting.py (where), rounds.py and running.py (the work),
review_desk.py and asking.py (people), landing.py (the way onto base).
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError

from workflows import queues, search_attributes, timeouts
from workflows.failures import message_of
from workflows.hosting import Hosting
from workflows.landing import Landing
from workflows.merge_watch import MergeWatch
from workflows.models.decision import Action, SignedDecision
from workflows.models.gate import Permit
from workflows.models.intent import watch_workflow_id
from workflows.models.pull_request import PullRequestState
from workflows.models.question import GOAL, Choice, QuestionKind
from workflows.models.status import Outcome, Stage, TaskOrder, TaskStatus
from workflows.models.steps import ClosePullRequestOrder, RecordOrder
from workflows.models.watch import WatchOrder
from workflows.progress import Progress
from workflows.review_desk import ReviewDesk
from workflows.rounds import Rounds
from workflows.steps import ForgeSteps, RecordSteps

_KEPT = "what the agent had done so far is kept as the task's patch"


@workflow.defn(name="AgentTask")
class AgentTask(ReviewDesk):
    """Carries one task from admission to its outcome. People's decisions come in through ReviewDesk."""

    @workflow.init
    def __init__(self, order: TaskOrder) -> None:
        super().__init__(Progress(order.task))
        hosting = Hosting(self.progress, timedelta(seconds=order.host_silence_seconds))
        self._rounds = Rounds(self.progress, hosting, self.asking)
        self._question, self._question_seconds = order.question, order.question_seconds
        self._landing = Landing(self, hosting, self._rounds, max_rebases=order.max_rebases)

    @workflow.run
    async def run(self, order: TaskOrder) -> TaskStatus:
        """Carry out the task; the result is its final status, whatever the outcome."""
        carrying, failure = asyncio.ensure_future(self._carry_out()), ""
        telling = asyncio.ensure_future(self.following.tell_for_ever())
        try:
            await workflow.wait_condition(lambda: carrying.done() or self._ended_by_people)
            if self.cancellation is not None and not carrying.done():
                await self._abandon(carrying, f"cancelled by {self.cancellation.decision.said_by}")
            elif self.settled is not None and not carrying.done():
                await self._settle(carrying, self.settled)
            await carrying
        except asyncio.CancelledError:
            if self.progress.status.outcome is None:
                await self._abandon(carrying, "cancelled in Temporal")
        except (ActivityError, ApplicationError) as error:
            failure = message_of(error)
        await _although_cancelled(self._end(failure))
        telling.cancel()
        return self.progress.status

    async def _end(self, failure: str) -> None:
        """Put the outcome on record: a task of which none is there counts as open for good."""
        if failure:
            await self._close(failure)
            self.progress.end(Outcome.FAILED, failure)
        await self._record()
        await self.telling.has_ended()
        await self.following.tell()
        if self.progress.status.outcome is Outcome.MERGED:
            await self._watch_base()
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _carry_out(self) -> None:
        guidance = await self._specified()
        while guidance is not None and await self._rounds.work(guidance):
            if not self.progress.evaluation.blocked:
                await self._landing.propose()
            chosen = await self._land()
            if chosen is None:
                return
            if chosen.decision.action is Action.REJECT:
                await self._close(chosen.decision.message or "rejected")
                self.progress.end(Outcome.REJECTED, f"rejected by {chosen.decision.said_by}")
                return
            guidance = chosen.decision.message
            await self.board.show(at_work=f"{chosen.decision.person.id} requested changes")
        # After a request for changes there is a pull request of the rounds before, which nobody carries on.
        await self._close(self.progress.status.message)

    async def _specified(self) -> str | None:
        """What was left unsaid of a vague goal, asked before an agent is paid; None if the task ends here."""
        if not self._question:
            return ""
        answer = await self.asking.ask(
            QuestionKind.SPECIFICATION,
            self._question,
            choices=GOAL,
            seconds=self._question_seconds,
        )
        if answer is None:
            self.progress.end(Outcome.UNANSWERED, "the goal is vague, and nobody said in time what is meant")
        elif answer.decision.choice is Choice.DISCARD:
            self.progress.end(Outcome.DISCARDED, "the goal is vague; somebody chose to discard the task")
        else:
            return answer.decision.message
        return None

    async def _land(self) -> SignedDecision | None:
        """By its phase, have policy let the patch land, or people. Returns what ends the review, or None if merged."""
        if self.progress.evaluation.blocked:
            self.open_review(Stage.GUIDANCE)
            await self.telling.is_blocked()
            return await self._review()
        permits = await self._landing.judge()
        self.open_review(Stage.REVIEW, self.approvals.missing_beyond_one())
        match permits:
            case Permit.PERSON:  # phase 1: a person approves, and a person merges
                await self.telling.is_proposed()
                return await self._review()
            case Permit.APPROVE:  # phase 2: policy approves, and a person merges
                self.approve_by_policy()
                await self.telling.is_proposed()
                return await self._review()
            case Permit.MERGE:  # phase 3: policy approves and merges
                self.approve_by_policy()
                not_passed = await self.board.why_ci_has_not_passed(lambda: self.is_decided)
                if not_passed and not self.is_decided:
                    self.reopen(Stage.APPROVED, f"policy does not merge it: {not_passed}")
                elif not self.is_decided and await self._landing.merge(None):
                    return None
                # What policy could not bring onto base, people decide about.
                return await self._review()

    async def _review(self) -> SignedDecision | None:
        """Wait for people. Returns what ends the review, or None when the patch is merged."""
        while True:
            chosen = await self.next_choice()
            if isinstance(chosen, PullRequestState):
                await self._landing.adopt()
                continue
            if chosen.decision.action is not Action.MERGE:
                return chosen
            if await self._landing.merge(chosen):
                return None

    async def _watch_base(self) -> None:
        """Have a workflow of its own look at base for a while: this one ends with its merge."""
        status, seconds = self.progress.status, self.progress.policy.gate.watch_seconds
        if not seconds:
            return
        order = WatchOrder(
            task=status.task,
            merge_commit=status.merge_commit,
            seconds=seconds,
            by_policy=not status.merged_outside
            and not any(signed.decision.action is Action.MERGE for signed in status.decisions),
        )
        try:
            await workflow.start_child_workflow(
                MergeWatch.run,
                order,
                id=watch_workflow_id(status.task.id),
                task_queue=queues.ORCHESTRATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=search_attributes.of_a_watch(status.task),
                static_summary=f"watch {status.task.base} of {status.task.repository.name}: task {status.task.id}",
            )
        except WorkflowAlreadyStartedError:
            # This task was reset after its merge: the watch that it began goes on.
            return

    async def _abandon(self, carrying: "asyncio.Future[None]", reason: str) -> None:
        """Stop what is going on, keep the work of a run that is stopped by it, and clean up after it."""
        before = self.progress.status.patch
        carrying.cancel()
        with contextlib.suppress(asyncio.CancelledError, ActivityError, ApplicationError):
            await carrying
        if self.progress.status.outcome is Outcome.MERGED:
            return
        await self._close(reason)
        kept = self.progress.status.patch not in (None, before)
        self.progress.end(Outcome.CANCELLED, f"{reason}; {_KEPT}" if kept else reason)

    @property
    def _ended_by_people(self) -> bool:
        return self.cancellation is not None or self.settled is not None

    async def _settle(self, carrying: "asyncio.Future[None]", seen: PullRequestState) -> None:
        """End as people have ended it on the forge's own page."""
        by = f" by {seen.by}" if seen.by else ""
        if not seen.merge_commit:
            await self._abandon(carrying, f"the pull request was closed{by}")
            return
        carrying.cancel()
        with contextlib.suppress(asyncio.CancelledError, ActivityError, ApplicationError):
            await carrying
        merged = f"merged as {seen.merge_commit[:12]}{by} on the forge's own page, whatever was asked for here"
        self.progress.end(Outcome.MERGED, merged, merge_commit=seen.merge_commit, merged_outside=True)

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
                heartbeat_timeout=timeouts.HEARTBEAT,
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


async def _although_cancelled(last: Coroutine[Any, Any, None]) -> None:
    """Do the last steps to their end, whoever cancels the workflow in Temporal meanwhile: there is nothing to stop."""
    doing = asyncio.ensure_future(last)
    while not doing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(doing)
    await doing
