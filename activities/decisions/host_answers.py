"""What people answered about hosts: for one task, and, as a change of policy with its author, for a whole repository.

An answer is read from the record and never from an order: it counts by the signature of the gateway that knew the
person, and only while that person may approve. So neither a workflow nor whoever reaches Temporal opens a way out.
"""

import hashlib
from datetime import datetime

from activities.archive.contract import TaskChains
from activities.decisions.authority import Authority
from activities.decisions.signed_chain import signed_decisions
from activities.decisions.signing import DecisionVerifier
from activities.decisions.withdrawals import DECISION
from workflows.models.base import Model
from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.policy import TaskPolicy
from workflows.models.question import ALLOWS, HOSTS, Choice
from workflows.models.task import Task

FOLDER = "repositories"
"""Of the chains that hold what was decided about whole repositories."""


class HostAnswer(Model):
    """What holds for one host."""

    host: str
    """`name:port`."""
    choice: Choice
    person: str
    task_id: str
    """The task that asked."""
    decided_at: datetime
    message: str = ""

    @property
    def told(self) -> str:
        """For people: the host, and who allowed it how far."""
        how_far = "for this repository" if self.choice is Choice.ALLOW_REPOSITORY else "for this task"
        return f"{self.host} (allowed {how_far} by {self.person})"


class HostAnswers:
    """Reads and keeps them."""

    def __init__(
        self, tasks: TaskChains, repositories: TaskChains, verifier: DecisionVerifier, authority: Authority
    ) -> None:
        self._tasks = tasks
        self._repositories = repositories
        self._verifier = verifier
        self._authority = authority

    async def keep(self, signed: SignedDecision, repository: str) -> None:
        """Put on record what was answered for a whole repository, once. What concerns a task alone changes nothing."""
        decision = signed.decision
        if decision.action is Action.FORGET_HOST or _is_for_repository(decision):
            entry = f"hosts-{signed.signature[:32]}"
            await self._repositories.append(_name(repository), entry, DECISION, signed.model_dump(mode="json"))

    async def of_task(self, task: Task, policy: TaskPolicy) -> tuple[HostAnswer, ...]:
        """What was answered in a task, by people who may approve it, the newest answer for each host."""
        found: dict[str, HostAnswer] = {}
        for signed in await signed_decisions(self._tasks, task.id, self._verifier):
            if signed.decision.task_id == task.id and await self._authority.stands(signed, policy):
                found |= _answers(signed.decision)
        return tuple(found.values())

    async def of_repository(self, repository: str, policy: TaskPolicy) -> tuple[HostAnswer, ...]:
        """What holds for every task of a repository, by people who may approve there."""
        found: dict[str, HostAnswer] = {}
        for signed in await signed_decisions(self._repositories, _name(repository), self._verifier):
            decision = signed.decision
            if decision.action is Action.FORGET_HOST:
                if decision.repository == repository:
                    found = {host: answer for host, answer in found.items() if host not in decision.hosts}
            elif _is_for_repository(decision) and await self._authority.stands(signed, policy, repository):
                found |= _answers(decision)
        return tuple(found.values())


def allowed(answers: tuple[HostAnswer, ...]) -> tuple[HostAnswer, ...]:
    """Those that allow something."""
    return tuple(answer for answer in answers if answer.choice in ALLOWS)


def _is_for_repository(decision: Decision) -> bool:
    is_lasting = decision.choice in {Choice.ALLOW_REPOSITORY, Choice.REFUSE}
    return decision.action is Action.ANSWER and is_lasting and bool(decision.hosts)


def _answers(decision: Decision) -> dict[str, HostAnswer]:
    if decision.action is not Action.ANSWER or decision.choice not in HOSTS:
        return {}
    return {
        host: HostAnswer(
            host=host,
            choice=decision.choice,
            person=decision.person.id,
            task_id=decision.task_id,
            decided_at=decision.decided_at,
            message=decision.message,
        )
        for host in decision.hosts
    }


def _name(repository: str) -> str:
    return hashlib.sha256(repository.encode()).hexdigest()[:40]
