"""What carrying out a delivery has to hand, and the words with which it is answered."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from temporalio import activity

from activities.decisions.admissions import Admissions
from activities.decisions.refused import ActionRefused
from activities.repository.git import GitError
from workers.gateway.reading import Reading
from workers.gateway.refusals import NoRoom, NotFound, Refused, Unavailable
from workflows.models.delivery import DeliveryResult, Taken
from workflows.models.status import Outcome, TaskStatus
from workflows.models.task import Task
from workflows.presentation import as_code

_MOST_TRIES = 20
"""Of what git says no to, which is weather or not: about a quarter of an hour."""


@dataclass(frozen=True, kw_only=True)
class Carrying:
    """One thing that was told and is carried out now."""

    digest: str
    received_at: datetime
    is_last: bool
    """Whether it is not tried again later."""
    wait_hours: float
    """How long words wait for an agent that is at work."""


@dataclass(frozen=True, kw_only=True)
class Delivered(Carrying):
    """One that is about a repository."""

    url: str
    """As tasks have it."""
    name: str
    """In lower case."""


class NotYet(ConnectionError):
    """Something does not answer now; the step is tried again."""


class TasksThere:
    """Tasks as they stand, for what is told about them."""

    def __init__(self, reading: Reading, admissions: Admissions) -> None:
        self._reading = reading
        self._admissions = admissions

    async def status(self, task_id: str, at: Delivered) -> TaskStatus | None:
        """Of a task of this repository; None if there is none. Raises NotYet where no worker answers."""
        task = await self._admitted(task_id)
        return await self._read(task_id) if task is not None and task.repository.url == at.url else None

    async def of_intent(self, task_id: str, keys: Collection[str]) -> TaskStatus | None:
        """Of a task that was asked for under one of these keys; None if there is none.

        Raises NotYet where no worker answers.
        """
        task = await self._admitted(task_id)
        its_own = {task.intent.key, *task.intent.aliases} if task is not None else set()
        return await self._read(task_id) if its_own.intersection(keys) else None

    async def of_pull(self, task_id: str, number: int, at: Delivered) -> TaskStatus | None:
        """The same, if this is its pull request: anybody who may push can give a branch a task's name."""
        status = await self.status(task_id, at)
        pull = status.pull_request if status is not None else None
        return status if pull is not None and pull.number == number else None

    async def _admitted(self, task_id: str) -> Task | None:
        try:
            return await self._admissions.of(task_id)
        except ActionRefused:
            return None

    async def _read(self, task_id: str) -> TaskStatus | None:
        try:
            return (await self._reading.view(task_id)).status
        except NotFound:
            return None
        except Refused as error:
            raise NotYet(str(error)) from error


def came_of(error: Refused) -> DeliveryResult:
    """What a refusal of the gateway's comes to. Raises NotYet where it may be otherwise later."""
    weather = isinstance(error.__cause__, GitError) and activity.info().attempt < _MOST_TRIES
    if weather or isinstance(error, NoRoom | Unavailable):
        raise NotYet(str(error)) from error
    return refused(str(error))


def done(detail: str, task_id: str = "") -> DeliveryResult:
    """What was wanted is done."""
    return DeliveryResult(outcome=Taken.DONE, detail=detail, task_id=task_id)


def refused(detail: str, task_id: str = "") -> DeliveryResult:
    """It is not done, for a reason that is told."""
    return DeliveryResult(outcome=Taken.REFUSED, detail=detail, task_id=task_id)


def ignored(detail: str, task_id: str = "") -> DeliveryResult:
    """There was nothing to do, or not any more."""
    return DeliveryResult(outcome=Taken.IGNORED, detail=detail, task_id=task_id)


def waits(detail: str, at: Carrying, task_id: str) -> DeliveryResult:
    """It is tried again later."""
    return DeliveryResult(outcome=Taken.WAITS, detail=detail, task_id=task_id, wait_seconds=at.wait_hours * 3600)


BELOW_THE_ISSUE = "`/agent again` below the issue"


def ended(task_id: str, outcome: Outcome | None, again: str = BELOW_THE_ISSUE) -> str:
    """That a task has ended, and what can be done: `again` is how another attempt is asked for."""
    return f"task {as_code(task_id)} has ended as {outcome}; {again} makes another attempt"
