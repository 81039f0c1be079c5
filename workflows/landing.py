"""Bringing an approved patch onto base: merge, evaluate again where base has moved, and queue where it keeps moving."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import queues, timeouts
from workflows.failures import message_of
from workflows.halting import is_halted, unless_halted
from workflows.hosting import Hosting
from workflows.models.decision import SignedDecision
from workflows.models.gate import Permit
from workflows.models.patch import Conflict
from workflows.models.pull_request import MergeOutcome, MergeResult
from workflows.models.status import Outcome, Stage
from workflows.models.steps import AdoptOrder, GateOrder, MergeOrder, ProposeOrder, RebaseOrder
from workflows.models.turn import TurnOrder
from workflows.review_desk import ReviewDesk
from workflows.review_rules import approval_carries_over
from workflows.rounds import Rounds
from workflows.steps import ForgeSteps, GateSteps, PullRequestSteps, TurnSteps

Result = TypeVar("Result")

_TRIES_IN_PARALLEL = 3
"""Merges that base may overtake before this task's merge, and with it all others of that base, wait for their turn."""
_LONGEST_WAIT = timedelta(hours=6)
"""For a turn; then the merge is tried without one, or put back to people where it is the forge's queue."""
_QUEUE_LOOKS = timedelta(seconds=30)
"""Between looks at the forge's merge queue; news of it does not wait for one."""


class Landing:
    """Proposes and merges the patch of one task."""

    def __init__(self, desk: ReviewDesk, hosting: Hosting, rounds: Rounds, *, max_rebases: int) -> None:
        self._desk = desk
        self._progress = desk.progress
        self._hosting = hosting
        self._rounds = rounds
        self._max_rebases = max_rebases

    async def propose(self) -> None:
        """Publish the branch, and create or update its pull request. Each try is finished, a halt is waited for."""
        self._progress.enter(Stage.PROPOSE)
        await unless_halted(self._progress, lambda: to_its_end(self._propose_once()))

    async def _propose_once(self) -> None:
        status = self._progress.status
        assert status.patch and status.evaluation and status.run and status.context
        pull_request = await workflow.execute_activity_method(
            ForgeSteps.propose,
            ProposeOrder(
                task=status.task,
                patch=status.patch,
                evaluation=status.evaluation,
                run=status.run,
                context=status.context,
            ),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.FEW,
            summary=f"propose {status.patch.head[:12]}",
        )
        self._progress.change(pull_request=pull_request)

    async def judge(self) -> Permit:
        """Have the gate say what may happen without a person; people are told the risk, and the rest later."""
        status = self._progress.status
        assert status.patch and status.evaluation
        try:
            verdict = await workflow.execute_activity_method(
                GateSteps.judge,
                GateOrder(task=status.task, patch=status.patch, evaluation=status.evaluation),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.FORGE,
                heartbeat_timeout=timeouts.HEARTBEAT,
                retry_policy=timeouts.FEW,
                summary="ask the gate",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            # A gate that can't decide lets nothing happen by itself; the merge asks it again.
            self._desk.approvals.know(None)
            self._progress.say(f"policy could not decide, so a person does: {message_of(error)}")
            return Permit.PERSON
        self._desk.approvals.know(verdict)
        return verdict.permits

    async def merge(self, merge: SignedDecision | None) -> bool:
        """Merge what was approved, evaluating again whenever base has moved. False puts it back to people.

        `merge`: None where policy merges it.
        """
        if merge is None:
            self._progress.enter(Stage.MERGE)
        turn: TurnOrder | None = None
        try:
            for tried in range(self._max_rebases + 1):
                if tried == _TRIES_IN_PARALLEL and turn is None:
                    turn = await self._take_turn()
                result = await self._try_to_merge(merge)
                if result.outcome is MergeOutcome.MERGED:
                    return True
                if result.outcome is MergeOutcome.REFUSED:
                    await self._put_back(result.detail)
                    return False
                if result.outcome is MergeOutcome.QUEUED:
                    turn = turn or await self._take_turn()
                    continue
                if voided := await self._catch_up_or_say_why(Permit.MERGE if merge is None else Permit.APPROVE):
                    voided = f"{voided}; what was approved no longer counts, look at it again"
                    blocked = self._progress.status.conflict is not None or self._progress.evaluation.blocked
                    self._desk.open_review(Stage.GUIDANCE if blocked else Stage.REVIEW, voided)
                    return False
                self._progress.enter(Stage.MERGE)
        finally:
            if turn is not None:
                await self._give_turn_back(turn)
        self._desk.reopen(Stage.APPROVED, "base keeps moving faster than it can be evaluated; merge again later")
        return False

    async def _try_to_merge(self, merge: SignedDecision | None) -> MergeResult:
        """Once, and through the forge's own merge queue if it has one."""
        result, began = await self._ask_to_merge(merge), workflow.now()
        while result.outcome is MergeOutcome.ENQUEUED:
            self._progress.say(result.detail)
            await self._desk.board.news_within(_QUEUE_LOOKS)
            late = workflow.now() - began > _LONGEST_WAIT
            result = await self._ask_to_merge(merge, enqueued=True, leave_queue=late)
        return result

    async def _ask_to_merge(self, merge: SignedDecision | None, **queue: bool) -> MergeResult:
        """What nobody waits for lasts out a halt; a person who wants it is told at once, and says so again."""
        if merge is not None:
            return await to_its_end(self._merge_once(merge, **queue))
        return await unless_halted(self._progress, lambda: to_its_end(self._merge_once(None, **queue)))

    async def _put_back(self, refused: str) -> None:
        """Leave it to people, who have to approve it too where policy has approved and does so no more."""
        if self._desk.approvals.given:
            self._desk.reopen(Stage.APPROVED, refused)
        elif (await self.judge()).rank >= Permit.APPROVE.rank:
            self._desk.approvals.tell()
            self._desk.reopen(Stage.APPROVED, refused)
        else:
            self._desk.open_review(Stage.REVIEW, refused)

    async def _merge_once(self, merge: SignedDecision | None, **queue: bool) -> MergeResult:
        status = self._progress.status
        assert status.patch and status.evaluation and status.pull_request
        approvals = self._desk.approvals.given
        try:
            result = await workflow.execute_activity_method(
                ForgeSteps.merge,
                MergeOrder(
                    task=status.task,
                    pull_request=status.pull_request,
                    patch=status.patch,
                    evaluation=status.evaluation,
                    approval=approvals[0] if approvals else None,
                    further_approvals=approvals[1:],
                    merge=merge,
                    **queue,
                ),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.OUTWARD,
                heartbeat_timeout=timeouts.HEARTBEAT,
                schedule_to_close_timeout=timeouts.MERGE,
                retry_policy=timeouts.FEW,
                summary=f"merge {status.patch.head[:12]}",
            )
        except ActivityError as error:
            if merge is None and is_halted(error) and workflow.patched("merge-after-resume"):
                raise
            # Whoever merges again finds out first whether this one came through after all.
            detail = f"the merge did not come through: {message_of(error)}"
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=detail)
        if result.outcome is MergeOutcome.MERGED:
            self._progress.end(Outcome.MERGED, f"merged as {result.commit[:12]}", merge_commit=result.commit)
        return result

    async def _catch_up_or_say_why(self, least: Permit) -> str:
        try:
            return await self._catch_up(least)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return f"base moved, and the patch could not be judged on the new one: {message_of(error)}"

    async def _catch_up(self, least: Permit) -> str:
        """Lay the patch onto the new base and evaluate it. Returns why the approval no longer counts, if so.

        `least`: what policy has to permit where it approved.
        """
        before = self._progress.status
        assert before.patch and before.evaluation
        await self._desk.board.show(at_work="base moved, so it is judged on the new one")
        rebased = await workflow.execute_activity_method(
            ForgeSteps.rebase,
            RebaseOrder(task=before.task, patch=before.patch),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.FEW,
            summary="lay the patch onto the new base",
        )
        if rebased.patch is None:
            conflict = Conflict(patch=before.patch, paths=rebased.conflicts)
            self._progress.change(conflict=conflict)
            return (
                f"base moved and the patch conflicts with it in {conflict}; request changes, and the agent lays it "
                "onto base as it is now"
            )
        old_policy, given = self._progress.policy, self._desk.approvals.given
        patch = rebased.patch
        await self._hosting.within(lambda: patch, lambda prepared: self._rounds.evaluate(prepared, patch, before.run))
        self._progress.change(patch=patch)
        evaluation = self._progress.evaluation
        if not evaluation.blocked:
            await self.propose()
            permits = await self.judge()
            if not given:
                # A policy's approval is always computed anew.
                return "" if permits.rank >= least.rank else "policy does not approve it on the new base"
        return approval_carries_over(
            policy=old_policy,
            new_policy_hash=self._progress.policy.hash,
            same_patch=patch.diff_sha256 == before.patch.diff_sha256,
            old_findings={f"{f.rule} {f.path}".strip() for f in before.evaluation.findings},
            new_findings={f"{f.rule} {f.path}".strip() for f in evaluation.findings},
        )

    async def adopt(self) -> None:
        """Judge what somebody pushed to the branch in place of what was there; then people look at that."""
        try:
            why_not = await self._adopt()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            why_not = f"what somebody pushed could not be judged: {message_of(error)}"
        if why_not:
            told = f"{why_not}; what was approved no longer counts. Request changes, and the next round replaces it"
            self._open_review(told)

    def _open_review(self, told: str) -> None:
        """Ask people about the patch that was judged last, whatever came of that."""
        blocked = self._progress.evaluation.blocked
        self._desk.open_review(Stage.GUIDANCE if blocked else Stage.REVIEW, told)

    async def _adopt(self) -> str:
        """Returns why it could not be taken for the task's patch."""
        before = self._progress.status
        assert before.patch and before.pull_request
        adopted = await workflow.execute_activity_method(
            PullRequestSteps.adopt_push,
            AdoptOrder(task=before.task, pull_request=before.pull_request, patch=before.patch),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.FEW,
            summary="take in what was pushed",
        )
        if adopted.patch is None:
            return adopted.refused
        if adopted.patch == before.patch:
            self._open_review(f"the branch is at {before.patch.head[:12]} again, which was judged")
            return ""
        patch, by = adopted.patch, " and ".join(adopted.pushed_by) or "somebody"
        await self._desk.board.show(at_work=f"{by} pushed to it, so it is judged again")
        await self._hosting.within(lambda: patch, lambda prepared: self._rounds.evaluate(prepared, patch, before.run))
        self._progress.change(patch=patch)
        told = f"{by} pushed {patch.head[:12]}, which was judged in place of what was there"
        if self._progress.evaluation.blocked:
            self._open_review(f"{told}, and can't be merged")
            return ""
        await self.propose()
        await self.judge()
        self._open_review(told)
        return ""

    async def _take_turn(self) -> TurnOrder:
        """Wait until no other task of this installation merges onto this base."""
        task = self._progress.status.task
        turn = TurnOrder(repository=task.repository, base=task.base, task_id=task.id)
        self._progress.enter(Stage.MERGE, message=f"{task.base} is busy: waits for its turn to merge")
        self._desk.turn = False
        await workflow.execute_activity_method(
            TurnSteps.take_turn,
            turn,
            task_queue=queues.API,
            start_to_close_timeout=timeouts.QUICK,
            retry_policy=timeouts.PATIENT,
            summary="queue for a merge",
        )
        try:
            await workflow.wait_condition(lambda: self._desk.turn, timeout=_LONGEST_WAIT, timeout_summary="a turn")
        except TimeoutError:
            self._progress.say("no turn to merge came; trying without one")
        return turn

    async def _give_turn_back(self, turn: TurnOrder) -> None:
        try:
            await workflow.execute_activity_method(
                TurnSteps.give_turn_back,
                turn,
                task_queue=queues.API,
                start_to_close_timeout=timeouts.QUICK,
                retry_policy=timeouts.FEW,
                summary="let the next merge go on",
            )
        except ActivityError:
            # The queue itself passes over a task that never gives its turn back.
            return


async def to_its_end(step: Coroutine[Any, Any, Result]) -> Result:
    """Do an outward step that, once begun, is finished and known even when the task is cancelled meanwhile."""
    doing = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await doing
        raise
