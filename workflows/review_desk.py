"""Where people's decisions reach a task: one update each, refused with a reason or carried out exactly once."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import queues, timeouts
from workflows.approvals import Approvals
from workflows.asking import Asking
from workflows.failures import message_of
from workflows.following import Following
from workflows.models.decision import Action, DecisionReceipt, SignedDecision
from workflows.models.pull_request import PullRequestState
from workflows.models.status import POLICY, Stage, TaskStatus
from workflows.models.steps import DecisionOrder, LookAtPullRequest
from workflows.models.trace import StepPlace
from workflows.progress import Progress
from workflows.review_rules import (
    authority_refusal,
    changed_refusal,
    room_refusal,
    spending_refusal,
    state_refusal,
)
from workflows.standing import StandingBoard
from workflows.steps import PullRequestSteps, RecordSteps
from workflows.telling import Telling

_WAITS = frozenset({Stage.REVIEW, Stage.APPROVED})
_TAKES_PUSHES = _WAITS | {Stage.GUIDANCE}
_JUDGES_IT = frozenset({Action.APPROVE, Action.REQUEST_CHANGES, Action.REJECT})
"""By these a person says what they think of the patch: what policy thinks is told after that, and not before."""


class ReviewDesk:
    """The part of a task's workflow that people talk to."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.telling = Telling(progress)
        self.following = Following(progress)
        self.asking = Asking(progress, self.telling)
        self.turn = False
        """Whether this task's turn to merge has come."""
        self.approvals = Approvals(progress)
        self.board = StandingBoard(progress, self.approvals)
        self.cancellation: SignedDecision | None = None
        self.settled: PullRequestState | None = None
        """The pull request, where people have closed or merged it on the forge's own page."""
        self.pushed: PullRequestState | None = None
        """The pull request, where somebody has pushed to its branch what was not judged yet."""
        self._choice: SignedDecision | None = None
        # Two persons may decide at once; the second must be judged by what the first one left.
        self._deciding = asyncio.Lock()

    def open_review(self, stage: Stage, message: str | None = None) -> None:
        """Ask people to look at the patch; earlier approvals no longer count."""
        self.approvals.clear()
        # What was pushed before is what is looked at now, or was replaced by it.
        self.pushed = None
        self.reopen(stage, message)

    def reopen(self, stage: Stage, message: str | None = None) -> None:
        """Ask people again, with what they decided so far still counting."""
        self._choice = None
        self.progress.enter(stage, message=message)

    def approve_by_policy(self) -> None:
        """No person has to approve this patch: what the gate decided is told."""
        self.approvals.tell()
        self.progress.enter(Stage.APPROVED, approved_by=(POLICY,))

    @property
    def is_decided(self) -> bool:
        """Whether people have done what moves the task on, which nobody has carried out yet."""
        return self._choice is not None or self.pushed is not None

    async def next_choice(self) -> SignedDecision | PullRequestState:
        """Wait for the next decision that moves the task on, or for what somebody pushes to its branch.

        Approvals that expire meanwhile have to be given again.
        """
        while self._choice is None:
            if self.pushed is not None:
                pushed, self.pushed = self.pushed, None
                return pushed
            known = self.approvals.given
            await self.board.show()
            expiry, look = self.approvals.seconds_left(workflow.now()), self.board.seconds_left(workflow.now())
            looks = look is not None and (expiry is None or look < expiry)
            try:
                await workflow.wait_condition(
                    lambda known=known: (  # type: ignore[misc]
                        self.is_decided or self.approvals.given != known or self.board.news
                    ),
                    timeout=look if looks else expiry,
                    timeout_summary="look at CI again" if looks else "approvals expire",
                )
            except TimeoutError:
                if not looks:
                    self.reopen(Stage.REVIEW, self.approvals.drop_expired(workflow.now()))
        return self._choice

    @property
    def place(self) -> StepPlace:
        """Steps belong to the stage in which they start; see workflows.tracing."""
        return self.progress.place

    @workflow.query
    def status(self) -> TaskStatus:
        """Where the task stands."""
        return self.progress.status

    @workflow.update
    async def approve(self, signed: SignedDecision) -> DecisionReceipt:
        """Approve the head and the evidence that the decision names."""
        return await self._decide(Action.APPROVE, signed)

    @approve.validator
    def _validate_approve(self, signed: SignedDecision) -> None:
        self._refuse_early(Action.APPROVE, signed)

    @workflow.update
    async def withdraw(self, signed: SignedDecision) -> DecisionReceipt:
        """Take back an approval of one's own."""
        return await self._decide(Action.WITHDRAW, signed)

    @withdraw.validator
    def _validate_withdraw(self, signed: SignedDecision) -> None:
        self._refuse_early(Action.WITHDRAW, signed)

    @workflow.update
    async def request_changes(self, signed: SignedDecision) -> DecisionReceipt:
        """Send the agent back to work with a person's words."""
        return await self._decide(Action.REQUEST_CHANGES, signed)

    @request_changes.validator
    def _validate_request_changes(self, signed: SignedDecision) -> None:
        self._refuse_early(Action.REQUEST_CHANGES, signed)

    @workflow.update
    async def reject(self, signed: SignedDecision) -> DecisionReceipt:
        """End the task without merging."""
        return await self._decide(Action.REJECT, signed)

    @reject.validator
    def _validate_reject(self, signed: SignedDecision) -> None:
        self._refuse_early(Action.REJECT, signed)

    @workflow.update
    async def merge(self, signed: SignedDecision) -> DecisionReceipt:
        """Merge what was approved."""
        return await self._decide(Action.MERGE, signed)

    @merge.validator
    def _validate_merge(self, signed: SignedDecision) -> None:
        self._refuse_early(Action.MERGE, signed)

    @workflow.update
    async def cancel(self, signed: SignedDecision) -> DecisionReceipt:
        """Stop the task where it stands and clean up."""
        return await self._decide(Action.CANCEL, signed)

    @cancel.validator
    def _validate_cancel(self, signed: SignedDecision) -> None:
        self._refuse_early(Action.CANCEL, signed)

    @workflow.update
    async def answer(self, signed: SignedDecision) -> DecisionReceipt:
        """Answer the question that the task waits with."""
        return await self._decide(Action.ANSWER, signed)

    @answer.validator
    def _validate_answer(self, signed: SignedDecision) -> None:
        self._refuse_early(Action.ANSWER, signed)

    @workflow.signal
    def observed(self) -> None:
        """Something happened about this task on its forge: look there again. It says nothing itself."""
        self.board.news = True

    @workflow.signal
    def follow(self) -> None:
        """Sent by the conversation about this task: it is told of every change from now on."""
        self.following.is_followed = True

    @workflow.signal
    def turn_came(self) -> None:
        """Sent by the queue of merges onto this base: no other task merges there now."""
        self.turn = True

    @workflow.signal
    async def pull_request_changed(self) -> None:
        """Somebody closed, merged, pushed to or redirected the pull request: the forge is asked what is so."""
        # A merge of this task's own closes it, too, and puts more on record than looking at it could.
        if self.progress.status.stage is Stage.MERGE:
            self.board.news = True
        await workflow.wait_condition(lambda: self.progress.status.stage is not Stage.MERGE)
        await self._look_at_pull_request()

    async def _look_at_pull_request(self) -> None:
        before = self.progress.status
        if before.pull_request is None or not self._may_be_settled():
            return
        try:
            seen = await workflow.execute_activity_method(
                PullRequestSteps.look_at_pull_request,
                LookAtPullRequest(
                    task=before.task,
                    pull_request=before.pull_request,
                    watch_seconds=self.progress.policy.gate.watch_seconds,
                ),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.QUICK,
                retry_policy=timeouts.PATIENT,
                summary="look at the pull request",
            )
        except ActivityError as error:
            self.progress.say(f"the pull request was changed, and can't be looked at: {message_of(error)}")
            return
        now = self.progress.status
        if not self._may_be_settled():
            return
        if not seen.is_open:
            self.settled = seen
            return
        reason = changed_refusal(seen, now)
        if reason and now.stage in _WAITS and now.patch == before.patch:
            # What people approved is not what is there now.
            self.open_review(Stage.REVIEW, reason)
        if now.patch is None or seen.head == now.patch.head or not workflow.patched("adopt-push"):
            return
        if now.stage in _TAKES_PUSHES and now.patch == before.patch:
            self.pushed = seen
            return
        # Whatever is being judged or proposed now, what was pushed meanwhile may not be passed over.
        await workflow.wait_condition(lambda: self.progress.status.stage in _TAKES_PUSHES or not self._may_be_settled())
        await self._look_at_pull_request()

    def _may_be_settled(self) -> bool:
        """Whether the task goes on, and is not about to end by itself, which closes its pull request."""
        going = self.progress.status.stage not in {Stage.RECORD, Stage.ENDED} and self.progress.status.outcome is None
        return going and self.cancellation is None and self.settled is None

    def _refuse_early(self, action: Action, signed: SignedDecision) -> None:
        """Refuse before anything enters history; the handler asks the same again when it is its turn."""
        if reason := self._refusal(action, signed):
            raise ApplicationError(reason, type="Refused", non_retryable=True)

    def _refusal(self, action: Action, signed: SignedDecision) -> str:
        decision = signed.decision
        if decision.action is not action:
            return f"refused: a decision to {decision.action} was sent as {action}"
        status = self.progress.status
        return (
            authority_refusal(decision, status.task, self.progress.policy)
            or state_refusal(decision, status, workflow.now())
            or self.approvals.refusal(decision)
            or spending_refusal(decision, status, self.progress.policy)
            or room_refusal(decision, status)
        )

    async def _decide(self, action: Action, signed: SignedDecision) -> DecisionReceipt:
        async with self._deciding:
            self._refuse_early(action, signed)
            verdict = await workflow.execute_activity_method(
                RecordSteps.verify_decision,
                DecisionOrder(task=self.progress.status.task, policy=self.progress.policy, signed=signed),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.QUICK,
                retry_policy=timeouts.PATIENT,
                summary=f"{action} by {signed.decision.person.id}",
            )
            if not verdict.valid:
                raise ApplicationError(verdict.refusal, type="Refused", non_retryable=True)
            self._carry_out_decision(signed)
        status = self.progress.status
        return DecisionReceipt(
            task_id=status.task.id,
            action=action,
            person=signed.decision.person.id,
            stage=status.stage,
            message=f"{action} by {signed.decision.person.id} is on record",
        )

    def _carry_out_decision(self, signed: SignedDecision) -> None:
        self.progress.change(decisions=(*self.progress.status.decisions, signed))
        if signed.decision.action in _JUDGES_IT:
            self.approvals.tell()
        match signed.decision.action:
            case Action.APPROVE:
                if self.approvals.add(signed):
                    self.progress.enter(Stage.APPROVED)
            case Action.WITHDRAW:
                self.approvals.withdraw(signed.decision.person)
                self.progress.enter(Stage.REVIEW, message=self.approvals.missing())
            case Action.CANCEL:
                self.cancellation = signed
            case Action.ANSWER:
                self.asking.answered(signed)
            case Action.MERGE:
                self._choice = signed
                self.progress.enter(Stage.MERGE)
            case Action.REQUEST_CHANGES:
                self._choice = signed
                # Leaves the waiting stage at once, so that no second decision slips in before the workflow moves on.
                self.progress.enter(Stage.PREPARE)
            case _:
                self._choice = signed
                self.progress.enter(Stage.RECORD)
