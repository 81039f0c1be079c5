"""Packages that people allowed a task's patch to bring: read from the record, by signatures, never from an order."""

from activities.archive.contract import TaskChains
from activities.decisions.authority import Authority
from activities.decisions.signed_chain import signed_decisions
from activities.decisions.signing import DecisionVerifier
from workflows.models.decision import Action
from workflows.models.policy import TaskPolicy
from workflows.models.question import ALLOWS
from workflows.models.task import Task


class PackageAnswers:
    """Reads them."""

    def __init__(self, tasks: TaskChains, verifier: DecisionVerifier, authority: Authority) -> None:
        self._tasks = tasks
        self._verifier = verifier
        self._authority = authority

    async def of_task(self, task: Task, policy: TaskPolicy) -> dict[str, str]:
        """Who allowed each package (`name@version`) of a task, while they may approve it. The newest answer counts."""
        allowed: dict[str, str] = {}
        for signed in await signed_decisions(self._tasks, task.id, self._verifier):
            decision = signed.decision
            if decision.action is not Action.ANSWER or decision.task_id != task.id or not decision.packages:
                continue
            if not await self._authority.stands(signed, policy):
                continue
            for package in decision.packages:
                allowed.pop(package, None)
                if decision.choice in ALLOWS:
                    allowed[package] = decision.person.id
        return allowed
