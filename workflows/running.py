"""One run of the agent, with its budget: at a cap it stands still until somebody answers."""

from datetime import timedelta

from workflows import timeouts
from workflows.asking import Asking
from workflows.hosting import Hosting
from workflows.models.question import HOSTS, WORK, Choice, QuestionKind
from workflows.models.run import RunEnd, RunResult
from workflows.models.steps import Prepared, RunOrder, StartupContext
from workflows.models.usage import USD, Metered
from workflows.progress import Progress
from workflows.spending import Spending
from workflows.steps import HostSteps

_MOST_HOST_QUESTIONS = 5
"""Of one task: an agent that tries one host after the other asks people no more."""


class Running:
    """Runs the agent to an end, through as many pauses as it takes."""

    def __init__(self, progress: Progress, hosting: Hosting, asking: Asking) -> None:
        self._progress = progress
        self._hosting = hosting
        self._asking = asking
        self._spending = Spending(progress)
        self._latest = ""
        """Id of the run that was ordered last."""
        self._resumed_in = 0
        """Epoch of the placement in which the checkpoint that it brought was gone on with."""
        self._went_on_in = 0
        """Epoch of the placement in which that run was found and gone on with."""
        self._hosts_asked: tuple[str, ...] = ()
        """About which people were asked in this task, whatever they answered."""
        self._host_questions = 0
        self.chosen: Choice | None = None
        """What somebody chose when the last run could not go on; None also when nobody answered, or nobody had to."""

    def finds(self, prepared: Prepared) -> bool:
        """Whether the run that was ordered last is found in a workspace that was taken over: its result still counts.

        An older one does not: its work is in the workspace, and its result was known when the next one was ordered.
        """
        is_latest = bool(self._latest) and self._latest == prepared.found_run
        return is_latest and self._went_on_in != prepared.placement.epoch

    def resumes(self, prepared: Prepared) -> bool:
        """Whether the next run goes on from the checkpoint that the workspace was made from."""
        return prepared.checkpoint is not None and self._resumed_in != prepared.placement.epoch

    async def run(self, prepared: Prepared, context: StartupContext, goes_on: str = "") -> RunResult:
        """Run the agent once, or go on with the run that is found. A cap pauses it; who answers decides whether it goes
        on. `goes_on`: the run whose conversation a new one goes on with.
        """
        status, policy = self._progress.status, prepared.policy
        self.chosen = None
        if self.finds(prepared):
            self._went_on_in = prepared.placement.epoch
            if status.run is not None and status.run.run_id == self._latest:
                return status.run
        else:
            self._latest = f"{status.task.id}-{prepared.placement.epoch}-{status.runs}"
        run_id, resumes = self._latest, self.resumes(prepared)
        if resumes:
            await self._count_the_lost(prepared)
        order = RunOrder(
            run_id=run_id, task=status.task, prepared=prepared, context=context, resumes=resumes, goes_on=goes_on
        )
        used, held = Metered(), ""
        while not order.stop:
            order = order.model_copy(
                update={
                    "allowance": await self._spending.allowance(run_id, policy),
                    "asks": policy.egress_asks and self._host_questions < _MOST_HOST_QUESTIONS,
                    "asked": self._hosts_asked,
                }
            )
            held = self._spending.exhausted(order.allowance, used)
            if not held:
                run = await self._step(prepared, order)
                if run.end is not RunEnd.PAUSED:
                    await self._spending.settle(run_id, policy, run.metered)
                    return run
                if run.egress_wanted:
                    await self._ask_about_hosts(prepared, run.egress_wanted)
                    used = run.metered
                    continue
                used, held = run.metered, run.metered.held or "micro_usd"
                # Other runs of the same day may have given back what they did not use.
                again = await self._spending.allowance(run_id, policy)
                if again != order.allowance and not self._spending.exhausted(again, used):
                    continue
            order = order.model_copy(update={"stop": await self._ask(prepared, used, held)})
        run = await self._step(prepared, order)
        await self._spending.settle(run_id, policy, run.metered)
        return run

    async def _count_the_lost(self, prepared: Prepared) -> None:
        """What the lost run had used at its checkpoint is counted, and told; what it used after that, nobody knows."""
        checkpoint = prepared.checkpoint
        assert checkpoint is not None
        self._resumed_in = prepared.placement.epoch
        await self._spending.settle(checkpoint.run_id, prepared.policy, checkpoint.metered)
        self._progress.say(
            f"run {checkpoint.run_id} was lost with its host and goes on from checkpoint {checkpoint.number}, after "
            f"{checkpoint.tool_calls} tool calls; what it did and used after that is done again"
        )

    async def _ask_about_hosts(self, prepared: Prepared, hosts: tuple[str, ...]) -> None:
        """Whatever is answered, or nothing, the run goes on; its host reads on record what it may reach."""
        self._hosts_asked += hosts
        self._host_questions += 1
        named = ", ".join(hosts)
        await self._asking.ask(
            QuestionKind.EGRESS,
            f"the run stands still: the agent was refused {named}, which policy does not list. Allow it for this task, "
            "allow it for this repository, or keep refusing it",
            choices=HOSTS,
            hosts=hosts,
            seconds=prepared.policy.budget.answer_seconds,
        )

    async def _ask(self, prepared: Prepared, used: Metered, held: str) -> str:
        """Empty if the run may go on; else why it ends here."""
        policy, task_used = prepared.policy, self._progress.status.used.plus(used)
        cap = self._spending.bound_by or "task"
        reached = _reached(held, cap, task_used)
        suggestion = self._spending.suggestion(policy) if held == "micro_usd" else 0
        can_continue = bool(suggestion) or held != "micro_usd"
        answer = await self._asking.ask(
            QuestionKind.BUDGET,
            f"the run stands still: {reached}. "
            + ("Continue with more, stop" if can_continue else "The ceiling is reached: stop")
            + " and propose what there is, or discard it",
            choices=WORK if can_continue else (Choice.PROPOSE, Choice.DISCARD),
            cap=cap if held == "micro_usd" else "task",
            used_micro_usd=task_used.micro_usd,
            suggested_micro_usd=suggestion,
            seconds=policy.budget.answer_seconds,
        )
        self.chosen = answer.decision.choice if answer is not None else None
        if answer is not None and self.chosen is Choice.CONTINUE:
            self._spending.raise_by(answer.decision.more_micro_usd, cap, held)
            self.chosen = None
            return ""
        return reached

    async def _step(self, prepared: Prepared, order: RunOrder) -> RunResult:
        limit = timedelta(seconds=prepared.policy.run_limits.wall_seconds) + timeouts.RUN_MARGIN
        return await self._hosting.step(prepared, HostSteps.run_agent, order, limit)


_CAPS = {
    "task": "its task's budget",
    "requester-day": "the requester's budget of the day",
    "team-day": "its team's budget of the day",
}


def _reached(held: str, cap: str, used: Metered) -> str:
    spent = f"{used.micro_usd / USD:.2f} USD, {used.tokens} tokens and {used.requests} requests used by this task"
    if held == "micro_usd":
        return f"{_CAPS.get(cap, cap)} is used up or reserved ({spent})"
    return f"its task's limit on {held} is reached ({spent})"
