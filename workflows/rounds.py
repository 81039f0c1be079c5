"""Working on a host: run, export, evaluate, and run again on what was found, for a bounded number of times.

A round is one answer to one piece of feedback. It takes one run of the agent, or several if the agent makes more tool
calls than one run may: each of those begins with a fresh context, the work so far and what the run before handed over.
"""

from enum import Enum

from workflows import timeouts
from workflows.asking import Asking
from workflows.hosting import Hosting
from workflows.models.artifact import ArtifactRef
from workflows.models.evidence import Evaluation
from workflows.models.patch import ExportResult, Patch
from workflows.models.question import Choice, QuestionKind
from workflows.models.run import RunEnd, RunResult
from workflows.models.status import Outcome, Stage
from workflows.models.steps import ContextOrder, EvaluateOrder, ExportOrder, Prepared
from workflows.package_questions import PackageQuestions
from workflows.progress import Progress
from workflows.running import Running
from workflows.setbacks import Setbacks, kept_work
from workflows.steps import HostSteps


class _CameTo(Enum):
    REVIEW = "there is something to review"
    END = "the task has ended"
    UNFINISHED = "the agent has used up its runs without being done"
    PACKAGES = "people have to be asked about packages"


class Rounds:
    """What a task does between two looks of a person."""

    def __init__(self, progress: Progress, hosting: Hosting, asking: Asking) -> None:
        self._progress = progress
        self._hosting = hosting
        self._asking = asking
        self._running = Running(progress, hosting, asking)
        self._packages = PackageQuestions(progress, hosting, asking)
        self._setbacks = Setbacks(progress, asking)
        self._handover: ArtifactRef | None = None
        self._unjudged: tuple[RunResult, ExportResult] | None = None
        """What is there to be judged, once people were asked about its packages."""

    async def work(self, guidance: str) -> bool:
        """Run and evaluate until there is something to review (True) or the task has ended (False)."""
        if (conflict := self._progress.status.conflict) is not None:
            self._progress.say(
                f"base moved and the patch conflicts with it in {conflict}: this round begins on base as it is now, "
                "and the agent lays its patch onto it"
            )
        while True:
            came_to = await self._hosting.within(self._start, lambda prepared: self._rounds(prepared, guidance))
            if came_to is _CameTo.PACKAGES:
                # Asked without a workspace, as below.
                await self._packages.ask()
                continue
            if came_to is not _CameTo.UNFINISHED:
                return came_to is _CameTo.REVIEW
            # Asked without a workspace: waiting for a person costs nothing.
            choice = await self._ask()
            if choice is not Choice.CONTINUE:
                return await self._stop_there(choice)

    def _start(self) -> Patch | None:
        """What a workspace begins with: base as it is then, while the patch conflicts with it and no other was made."""
        patch, conflict = self._progress.status.patch, self._progress.status.conflict
        return None if conflict is not None and patch == conflict.patch else patch

    async def evaluate(self, prepared: Prepared, patch: Patch, run: RunResult | None) -> Evaluation:
        """Judge a patch on its base."""
        self._progress.enter(Stage.EVALUATE)
        known = self._progress.status.evaluation
        order = EvaluateOrder(
            task=self._progress.status.task,
            prepared=prepared,
            patch=patch,
            run=run,
            base_run=known.base_run if known is not None and known.base_commit == patch.base_commit else None,
            round=self._progress.status.round,
        )
        limit = timeouts.evaluation(prepared.policy)
        evaluation = await self._hosting.step(prepared, HostSteps.evaluate, order, limit)
        self._progress.change(evaluation=evaluation, conflict=None)
        return evaluation

    async def _ask(self) -> Choice | None:
        """What becomes of an agent that is not done, as somebody chose; None if nobody did in time."""
        policy = self._progress.policy
        if self._setbacks.asks:
            return await self._setbacks.ask(policy)
        answer = await self._asking.ask(
            QuestionKind.UNFINISHED,
            f"the agent has made {policy.runs_per_round} runs of {policy.tool_calls} tool calls and is not done: the "
            "task may be too large for one change. Let it go on, propose what there is, or discard it",
            seconds=policy.budget.answer_seconds,
        )
        return answer.decision.choice if answer is not None else None

    async def _rounds(self, prepared: Prepared, guidance: str) -> _CameTo:
        feedback = None
        for left in reversed(range(prepared.policy.feedback_rounds + 1)):
            asked_before = self._unjudged is not None
            run, exported = self._unjudged or await self._next_round(prepared, feedback, guidance)
            if run.end is RunEnd.TOOL_CALLS or self._setbacks.asks:
                return _CameTo.UNFINISHED
            chosen = self._running.chosen
            if not run.succeeded and chosen is not Choice.PROPOSE:
                self._end_unfinished(run, exported)
                return _CameTo.END
            if exported.refused:
                if not left or chosen is not None:
                    self._progress.end(Outcome.FAILED, f"the patch was refused: {exported.refused}")
                    return _CameTo.END
                feedback, guidance = None, exported.refused
                continue
            if exported.patch is None:
                where = " on base as it is now" if self._progress.status.conflict is not None else ""
                self._progress.end(
                    Outcome.NO_CHANGES, f"the agent ended without changing anything git would track{where}"
                )
                return _CameTo.END
            if not asked_before and await self._packages.has_to_ask(prepared, exported.patch):
                self._unjudged = (run, exported)
                return _CameTo.PACKAGES
            evaluation = await self.evaluate(prepared, exported.patch, run)
            self._unjudged = None
            # Blocked by what no agent can mend, there is nothing to tell one either: a person has to.
            if not evaluation.blocked or chosen is not None or evaluation.feedback is None:
                return _CameTo.REVIEW
            feedback, guidance = evaluation.feedback, ""
        return _CameTo.REVIEW

    async def _next_round(
        self, prepared: Prepared, feedback: ArtifactRef | None, guidance: str
    ) -> tuple[RunResult, ExportResult]:
        if not (self._running.finds(prepared) or self._running.resumes(prepared)):
            self._progress.next_round()
        return await self._round(prepared, feedback, guidance)

    async def _round(
        self, prepared: Prepared, feedback: ArtifactRef | None, guidance: str
    ) -> tuple[RunResult, ExportResult]:
        """Run until the agent is done with this round, or may not go on."""
        for left in reversed(range(prepared.policy.runs_per_round)):
            run, exported = await self._run_once(prepared, feedback, guidance)
            self._setbacks.note(run, exported)
            if self._setbacks.goes_on_by_itself:
                self._handover = run.handover
                self._progress.say(f"{self._setbacks.interrupted}; it goes on once more from where it was")
                run, exported = await self._run_once(prepared, feedback, guidance)
                self._setbacks.note(run, exported)
            goes_on = run.end is RunEnd.TOOL_CALLS or self._setbacks.asks
            self._handover = run.handover if goes_on else None
            if run.end is not RunEnd.TOOL_CALLS or not left:
                break
        return run, exported

    async def _run_once(
        self, prepared: Prepared, feedback: ArtifactRef | None, guidance: str
    ) -> tuple[RunResult, ExportResult]:
        status = self._progress.status
        # A run that was found began with the context that is known.
        context = status.context if self._running.finds(prepared) else None
        if context is None:
            status = self._progress.next_run()
            order = ContextOrder(
                task=status.task,
                prepared=prepared,
                feedback=feedback,
                guidance=guidance,
                handover=self._handover,
                interrupted=self._setbacks.interrupted,
                resumes=self._running.resumes(prepared),
                conflict=status.conflict,
                round=status.round,
            )
            self._progress.enter(Stage.CONTEXT)
            context = await self._hosting.step(prepared, HostSteps.gather_context, order, timeouts.FORGE)
        self._progress.enter(Stage.RUN, context=context)
        run = await self._running.run(prepared, context, self._setbacks.goes_on)
        self._progress.enter(Stage.EXPORT, run=run)
        exported = await self._hosting.step(
            prepared,
            HostSteps.export_patch,
            ExportOrder(task=status.task, prepared=prepared, run=run, context=context, round=status.round),
            timeouts.FORGE,
        )
        if exported.patch is not None:
            self._progress.change(patch=exported.patch)
        return run, exported

    async def _stop_there(self, choice: Choice | None) -> bool:
        """The agent does not go on: judge what there is if somebody chose so."""
        status, patch = self._progress.status, self._start()
        if choice is not Choice.PROPOSE:
            self._end_by(choice, self._setbacks.interrupted or "the agent was not done")
            return False
        if patch is None:
            self._progress.end(Outcome.NO_CHANGES, "there is nothing to propose: nothing was changed yet")
            return False
        await self._hosting.within(lambda: patch, lambda prepared: self.evaluate(prepared, patch, status.run))
        return True

    def _end_unfinished(self, run: RunResult, exported: ExportResult) -> None:
        if run.end is RunEnd.BUDGET:
            self._end_by(self._running.chosen, run.detail)
            return
        work = kept_work(exported) if exported.patch is not None or exported.refused else ""
        is_said = f"code {run.exit_code}" in run.detail
        code = f" (exit code {run.exit_code})" if run.exit_code and not is_said else ""
        message = f"the agent did not finish: {run.detail or run.end}{code}{work}"
        self._progress.end(Outcome.AGENT_FAILED, message)

    def _end_by(self, choice: Choice | None, why: str) -> None:
        kept = "what there is, is kept in the archive" if self._progress.status.patch else "nothing was changed yet"
        if choice is Choice.DISCARD:
            self._progress.end(Outcome.DISCARDED, f"{why}; somebody chose to discard it; {kept}")
        else:
            self._progress.end(Outcome.UNANSWERED, f"{why}; nobody answered in time, so nothing is proposed; {kept}")
