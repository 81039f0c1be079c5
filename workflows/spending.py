"""What one task may still use of model providers: its own caps, and its share of the requester's and the team's day."""

from temporalio import workflow

from workflows import queues, timeouts
from workflows.models.policy import TaskPolicy
from workflows.models.usage import USD, Allowance, Budget, Metered, Reserve, Reserved, Settle
from workflows.progress import Progress
from workflows.steps import BudgetSteps

_SMALLEST_STEP = USD
"""Suggested to go on with, where the task's own cap says nothing."""


class Spending:
    """Counts what a task's runs use and reserves what they may."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._extra = 0
        """Micro-dollars that answers have added to the task's cap."""
        self._times = {"tokens": 0, "requests": 0, "bytes": 0}
        """How often answers have given a task's other limits again."""
        self._beyond_day = 0
        """Micro-dollars that authorised answers let the task use beyond the day's caps."""
        self._counted: set[str] = set()
        """Runs that were."""
        self.bound_by = ""
        """Which cap binds the allowance that was given last: `task`, `requester-day`, `team-day`, or none."""

    async def allowance(self, run_id: str, policy: TaskPolicy) -> Allowance:
        """What a run may use in all, reserved on the day where a day has a cap."""
        budget, used = policy.budget, self._progress.status.used
        own = _left(budget.task_micro_usd, used.micro_usd - self._extra)
        self.bound_by = "task" if own is not None else ""
        if budget.counts_days:
            reserved = await self._reserve(run_id, budget, own)
            if reserved.bound_by:
                self.bound_by = reserved.bound_by
            own = reserved.micro_usd
        return Allowance(
            micro_usd=own,
            tokens=_left(self._often(budget.task_tokens, "tokens"), used.tokens),
            requests=_left(self._often(budget.task_requests, "requests"), used.requests),
            bytes=_left(self._often(budget.task_bytes, "bytes"), used.bytes),
        )

    def exhausted(self, allowance: Allowance, used: Metered) -> str:
        """Which limit leaves a run nothing, or an empty string."""
        have = {"micro_usd": used.micro_usd, "tokens": used.tokens, "requests": used.requests, "bytes": used.bytes}
        limits = ((name, getattr(allowance, name)) for name in have)
        return next((name for name, limit in limits if limit is not None and have[name] >= limit), "")

    def raise_by(self, micro_usd: int, cap: str, held: str) -> None:
        """Let the task use more, by somebody's answer about the limit that holds it."""
        if held in self._times:
            self._times[held] += 1
            return
        self._extra += micro_usd
        if cap != "task":
            self._beyond_day += micro_usd

    async def settle(self, run_id: str, policy: TaskPolicy, metered: Metered) -> None:
        """Count a run that is over, and free the rest of what was reserved for it; twice is once."""
        if run_id in self._counted:
            return
        self._counted.add(run_id)
        self._progress.change(used=self._progress.status.used.plus(metered))
        if policy.budget.counts_days:
            await workflow.execute_activity_method(
                BudgetSteps.settle_budget,
                Settle(run_id=run_id, team=policy.budget.team, micro_usd=metered.micro_usd),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.QUICK,
                retry_policy=timeouts.PATIENT,
                summary=f"count {metered.micro_usd / USD:.2f} USD",
            )

    def suggestion(self, policy: TaskPolicy) -> int:
        """A sensible amount to continue with: as much again, as far as the ceiling lets."""
        budget = policy.budget
        step = budget.task_micro_usd or _SMALLEST_STEP
        if budget.task_most_micro_usd is None:
            return step
        return max(0, min(step, budget.task_most_micro_usd - (budget.task_micro_usd or 0) - self._extra))

    def _often(self, cap: int | None, name: str) -> int | None:
        return None if cap is None else cap * (1 + self._times[name])

    async def _reserve(self, run_id: str, budget: Budget, wanted: int | None) -> Reserved:
        return await workflow.execute_activity_method(
            BudgetSteps.reserve_budget,
            Reserve(
                run_id=run_id,
                team=budget.team,
                requester=self._progress.status.task.requester.id,
                micro_usd=wanted,
                requester_day_micro_usd=budget.requester_day_micro_usd,
                team_day_micro_usd=budget.team_day_micro_usd,
                extra_micro_usd=self._beyond_day,
            ),
            task_queue=queues.API,
            start_to_close_timeout=timeouts.QUICK,
            retry_policy=timeouts.PATIENT,
            summary="reserve money for the run",
        )


def _left(cap: int | None, used: int) -> int | None:
    return None if cap is None else max(0, cap - used)
