"""One task from its intent to its end: the steps of the design, in order.

    prepare → context → run → export → evaluate (→ run again with feedback) → propose → review → merge → record

Nothing here does I/O. While a task waits for a person it holds no workspace, no sandbox and no worker slot.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import queues, timeouts
from workflows.attendance import HostGone, attended
from workflows.models.artifact import ArtifactRef
from workflows.models.decision import Action, SignedDecision
from workflows.models.evidence import Evaluation
from workflows.models.patch import Patch
from workflows.models.pull_request import MergeOutcome, MergeResult
from workflows.models.run import RunResult
from workflows.models.status import Outcome, Stage, TaskOrder, TaskStatus
from workflows.models.steps import (
    ClosePullRequestOrder,
    ContextOrder,
    EvaluateOrder,
    ExportOrder,
    MergeOrder,
    Prepared,
    PrepareOrder,
    ProposeOrder,
    RebaseOrder,
    RecordOrder,
    ReleaseOrder,
    RunOrder,
)
from workflows.progress import Progress
from workflows.review_desk import ReviewDesk
from workflows.review_rules import approval_carries_over
from workflows.steps import ForgeSteps, HostSteps, PlacementSteps, RecordSteps

Argument = TypeVar("Argument")
Result = TypeVar("Result")

_MOST_HOSTS = 5
"""Hosts lost in one go before the task gives up and says so."""


@workflow.defn(name="AgentTask")
class AgentTask(ReviewDesk):
    """Carries one task from admission to its outcome. People's decisions come in through ReviewDesk."""

    @workflow.init
    def __init__(self, order: TaskOrder) -> None:
        super().__init__(Progress(order.task))
        self._order = order
        self._task = order.task
        self._epoch = 0
        self._conflicted = False

    @workflow.run
    async def run(self, order: TaskOrder) -> TaskStatus:
        """Carry out the task; the result is its final status, whatever the outcome."""
        carrying = asyncio.ensure_future(self._carry_out())
        try:
            await workflow.wait_condition(lambda: carrying.done() or self.cancellation is not None)
            if self.cancellation is not None and not carrying.done():
                await self._abandon(carrying, f"cancelled by {self.cancellation.decision.person.id}")
            await carrying
        except asyncio.CancelledError:
            if self._progress.status.outcome is None:
                await self._abandon(carrying, "cancelled in Temporal")
        except (ActivityError, ApplicationError) as error:
            await self._close(_message(error))
            self._progress.end(Outcome.FAILED, _message(error))
        await self._record()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._progress.status

    async def _carry_out(self) -> None:
        guidance = ""
        while await self._work(guidance):
            if not self._evaluation().blocked:
                await _to_its_end(self._propose())
            chosen = await self._review()
            if chosen is None:
                return
            if chosen.decision.action is Action.REJECT:
                await self._close(chosen.decision.message or "rejected")
                self._progress.end(
                    Outcome.REJECTED, f"rejected by {chosen.decision.person.id}: {chosen.decision.message}"
                )
                return
            guidance = chosen.decision.message

    # Working: everything that needs a host.

    async def _work(self, guidance: str) -> bool:
        """Run and evaluate until there is something to review (True) or the task has ended (False)."""
        return await self._with_host(self._progress.status.patch, lambda prepared: self._rounds(prepared, guidance))

    async def _with_host(self, start: Patch | None, work: Callable[[Prepared], Coroutine[Any, Any, Result]]) -> Result:
        """Do work in a workspace, on another host if the first one is lost, and give the workspace back."""
        for _ in range(_MOST_HOSTS):
            prepared = await self._prepare(start)
            try:
                result = await attended(prepared.placement, work(prepared))
            except HostGone as gone:
                self._progress.say(f"{gone}; starting again elsewhere")
                continue
            except (asyncio.CancelledError, ActivityError, ApplicationError):
                await self._release(prepared)
                raise
            await self._release(prepared)
            return result
        lost = f"{_MOST_HOSTS} hosts were lost one after the other: look at the workers, then ask again"
        raise ApplicationError(lost, non_retryable=True)

    async def _rounds(self, prepared: Prepared, guidance: str) -> bool:
        """Let the agent work, and work again on what the evaluation found, for a bounded number of rounds."""
        feedback = None
        for left in reversed(range(prepared.policy.feedback_rounds + 1)):
            run, patch, refused = await self._run_once(prepared, feedback, guidance)
            if not run.succeeded:
                self._progress.end(Outcome.AGENT_FAILED, _run_message(run, kept=patch is not None))
                return False
            if refused:
                if not left:
                    self._progress.end(Outcome.FAILED, f"the patch was refused: {refused}")
                    return False
                feedback, guidance = None, refused
                continue
            if patch is None:
                self._progress.end(Outcome.NO_CHANGES, "the agent ended without changing anything git would track")
                return False
            evaluation = await self._evaluate(prepared, patch, run)
            if not evaluation.blocked:
                return True
            feedback, guidance = evaluation.feedback, ""
        return True

    async def _run_once(
        self, prepared: Prepared, feedback: ArtifactRef | None, guidance: str
    ) -> tuple[RunResult, Patch | None, str]:
        status = self._progress.next_round()
        order = ContextOrder(
            task=self._task, prepared=prepared, feedback=feedback, guidance=guidance, round=status.round
        )
        self._progress.enter(Stage.CONTEXT)
        context = await self._host_step(prepared, HostSteps.gather_context, order, timeouts.FORGE)
        self._progress.enter(Stage.RUN, context=context)
        run_id = f"{self._task.id}-{prepared.placement.epoch}-{status.round}"
        run = await self._host_step(
            prepared,
            HostSteps.run_agent,
            RunOrder(run_id=run_id, task=self._task, prepared=prepared, context=context),
            timedelta(seconds=prepared.policy.run_limits.wall_seconds) + timeouts.RUN_MARGIN,
        )
        self._progress.enter(Stage.EXPORT, run=run)
        exported = await self._host_step(
            prepared,
            HostSteps.export_patch,
            ExportOrder(task=self._task, prepared=prepared, run=run, context=context, round=status.round),
            timeouts.FORGE,
        )
        if exported.patch is not None:
            self._progress.change(patch=exported.patch)
        return run, exported.patch, exported.refused

    async def _evaluate(self, prepared: Prepared, patch: Patch, run: RunResult | None) -> Evaluation:
        self._progress.enter(Stage.EVALUATE)
        known = self._progress.status.evaluation
        order = EvaluateOrder(
            task=self._task,
            prepared=prepared,
            patch=patch,
            run=run,
            base_run=known.base_run if known is not None and known.base_commit == patch.base_commit else None,
            round=self._progress.status.round,
        )
        checks = len(prepared.policy.checks) * 3 * prepared.policy.check_limits.wall_seconds
        limit = timedelta(seconds=checks) + timeouts.RUN_MARGIN
        evaluation = await self._host_step(prepared, HostSteps.evaluate, order, limit)
        self._progress.change(evaluation=evaluation)
        return evaluation

    # Review: no host, no slot, only people.

    async def _propose(self) -> None:
        self._progress.enter(Stage.PROPOSE)
        status = self._progress.status
        assert status.patch and status.evaluation and status.run and status.context
        pull_request = await workflow.execute_activity_method(
            ForgeSteps.propose,
            ProposeOrder(
                task=self._task,
                patch=status.patch,
                evaluation=status.evaluation,
                run=status.run,
                context=status.context,
            ),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            retry_policy=timeouts.FEW,
            summary=f"propose {status.patch.head[:12]}",
        )
        self._progress.change(pull_request=pull_request)

    async def _review(self) -> SignedDecision | None:
        """Wait for people. Returns what ends the review, or None when the patch is merged."""
        self.open_review(Stage.GUIDANCE if self._evaluation().blocked else Stage.REVIEW)
        while True:
            chosen = await self.next_choice()
            if chosen.decision.action is not Action.MERGE:
                return chosen
            if await self._merge(chosen):
                return None

    async def _merge(self, merge: SignedDecision) -> bool:
        """Merge what was approved, evaluating again whenever base has moved. False puts it back to people."""
        for _ in range(self._order.max_rebases + 1):
            result = await _to_its_end(self._merge_once(merge))
            if result.outcome is MergeOutcome.MERGED:
                return True
            if result.outcome is MergeOutcome.REFUSED:
                self.reopen(Stage.APPROVED, result.detail)
                return False
            if voided := await self._catch_up():
                self.open_review(
                    Stage.GUIDANCE if self._conflicted or self._evaluation().blocked else Stage.REVIEW, voided
                )
                return False
            self._progress.enter(Stage.MERGE)
        self.reopen(Stage.APPROVED, "base keeps moving faster than it can be evaluated; merge again later")
        return False

    async def _merge_once(self, merge: SignedDecision) -> MergeResult:
        status = self._progress.status
        assert status.patch and status.evaluation and status.pull_request and self.approval
        result = await workflow.execute_activity_method(
            ForgeSteps.merge,
            MergeOrder(
                task=self._task,
                pull_request=status.pull_request,
                patch=status.patch,
                evaluation=status.evaluation,
                approval=self.approval,
                merge=merge,
            ),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            retry_policy=timeouts.PATIENT,
            summary=f"merge {status.patch.head[:12]}",
        )
        if result.outcome is MergeOutcome.MERGED:
            self._progress.end(Outcome.MERGED, f"merged as {result.commit[:12]}", merge_commit=result.commit)
        return result

    async def _catch_up(self) -> str:
        """Lay the patch onto the new base and evaluate it. Returns why the approval no longer counts, if so."""
        before = self._progress.status
        assert before.patch and before.evaluation
        rebased = await workflow.execute_activity_method(
            ForgeSteps.rebase,
            RebaseOrder(task=self._task, patch=before.patch),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.FORGE,
            retry_policy=timeouts.FEW,
            summary="lay the patch onto the new base",
        )
        self._conflicted = rebased.patch is None
        if rebased.patch is None:
            return f"base moved and the patch conflicts with it in {', '.join(rebased.conflicts[:5])}; request changes"
        old_policy = self.policy
        patch = rebased.patch
        await self._with_host(patch, lambda prepared: self._evaluate(prepared, patch, before.run))
        self._progress.change(patch=patch)
        if not self._evaluation().blocked:
            await _to_its_end(self._propose())
        return approval_carries_over(
            policy=old_policy,
            new_policy_hash=self.policy.hash,
            same_patch=patch.diff_sha256 == before.patch.diff_sha256,
            old_findings={f"{f.rule} {f.path}".strip() for f in before.evaluation.findings},
            new_findings={f"{f.rule} {f.path}".strip() for f in self._evaluation().findings},
        )

    # Single steps.

    async def _prepare(self, start: Patch | None) -> Prepared:
        self._epoch += 1
        self._progress.enter(Stage.PREPARE)
        prepared = await workflow.execute_activity_method(
            PlacementSteps.prepare,
            PrepareOrder(task=self._task, epoch=self._epoch, resume_from=start),
            task_queue=queues.SANDBOX,
            start_to_close_timeout=timeouts.PREPARE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.FEW,
            summary="prepare a workspace",
        )
        self.policy = prepared.policy
        self._progress.change(placement=prepared.placement)
        return prepared

    async def _host_step(
        self,
        prepared: Prepared,
        step: Callable[[Any, Argument], Awaitable[Result]],
        order: Argument,
        limit: timedelta,
    ) -> Result:
        return await workflow.execute_activity_method(
            step,
            order,
            task_queue=prepared.placement.queue,
            start_to_close_timeout=limit,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.UNTIL_REATTACHED,
            summary=f"round {self._progress.status.round} on {prepared.placement.host}",
        )

    async def _release(self, prepared: Prepared) -> None:
        try:
            await workflow.execute_activity_method(
                HostSteps.release,
                ReleaseOrder(task_id=self._task.id, placement=prepared.placement),
                task_queue=prepared.placement.queue,
                schedule_to_close_timeout=timeouts.RELEASE,
                retry_policy=timeouts.PATIENT,
                summary="give the workspace back",
            )
        except ActivityError as error:
            self._progress.say(f"the workspace on {prepared.placement.host} is left to its sweep: {_message(error)}")

    async def _abandon(self, carrying: "asyncio.Future[None]", reason: str) -> None:
        """Stop what is going on, and clean up after it."""
        carrying.cancel()
        with contextlib.suppress(asyncio.CancelledError, ActivityError, ApplicationError):
            await carrying
        if self._progress.status.outcome is Outcome.MERGED:
            return
        await self._close(reason)
        self._progress.end(Outcome.CANCELLED, reason)

    async def _close(self, reason: str) -> None:
        """Close the pull request, if there is one. A task ends also when its repository is gone meanwhile."""
        status = self._progress.status
        if status.pull_request is None:
            return
        try:
            await workflow.execute_activity_method(
                ForgeSteps.close_pull_request,
                ClosePullRequestOrder(task=self._task, pull_request=status.pull_request, reason=reason),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.FORGE,
                retry_policy=timeouts.FEW,
                summary="close the pull request",
            )
        except ActivityError as error:
            self._progress.say(f"the pull request could not be closed: {_message(error)}")

    async def _record(self) -> None:
        status = self._progress.status
        await workflow.execute_activity_method(
            RecordSteps.record,
            RecordOrder(task_id=self._task.id, entry_id="outcome", kind="outcome", data=status.model_dump(mode="json")),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.QUICK,
            retry_policy=timeouts.PATIENT,
            summary=f"record the outcome: {status.outcome}",
        )

    def _evaluation(self) -> Evaluation:
        evaluation = self._progress.status.evaluation
        assert evaluation is not None, "review begins after an evaluation"
        return evaluation


async def _to_its_end(step: Coroutine[Any, Any, Result]) -> Result:
    """Do an outward step that, once begun, is finished and known even when the task is cancelled meanwhile."""
    doing = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await doing
        raise


def _message(error: BaseException) -> str:
    """What a person should read of a failure: the innermost message, without Temporal's wrapping."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).removeprefix(f"{getattr(error, 'type', '')}: ")


def _run_message(run: RunResult, *, kept: bool) -> str:
    work = "; what it had done so far is kept as the task's patch" if kept else ""
    code = f" (exit code {run.exit_code})" if run.exit_code else ""
    return f"the agent did not finish: {run.detail or run.end}{code}{work}"
