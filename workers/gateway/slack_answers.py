"""What one person alone is told in Slack when they ask: where tasks stand; and halting, which is told them, too."""

from collections.abc import Sequence

from workers.gateway.delivered import done
from workers.gateway.halting import Halting
from workers.gateway.messages import NewHalt, TaskLine
from workers.gateway.reading import Reading
from workers.gateway.refusals import NotFound
from workers.gateway.slack_sight import SlackSight
from workflows.models.delivery import DeliveryResult
from workflows.models.halt import HaltScope, Reach
from workflows.models.person import Person
from workflows.models.status import Stage, TaskStatus
from workflows.presentation import as_code

_MOST = 15
_GOAL = 100


class SlackAnswers:
    """In words that Slack is yet to be kept from reading as its own marks."""

    def __init__(self, reading: Reading, halting: Halting, sight: SlackSight) -> None:
        self._reading = reading
        self._sight = sight
        self._halting = halting

    async def open_tasks(self, person: Person) -> str:
        """All that have not ended, those that wait for somebody first."""
        seen = self._sight.lines(await self._reading.lines(), person)
        lines = [line for line in seen if line.stage is not Stage.ENDED]
        return _list(sorted(lines, key=lambda line: not line.waits_for), "no task is open")

    async def mine(self, person: Person) -> str:
        """Those that somebody asked for."""
        lines = [line for line in await self._reading.lines() if line.requester == person.id]
        return _list(lines, "you have asked for no task")

    async def found(self, prefix: str, person: Person) -> TaskStatus:
        """The one that somebody names. Raises NotFound also for what they are not told of, or Refused."""
        status = (await self._reading.view(await self._reading.resolve(prefix))).status
        if not self._sight.sees(status.task, person):
            raise NotFound(f"there is no task {prefix!r} in the repositories of `[slack]`")
        return status

    def one(self, status: TaskStatus) -> str:
        """Where one stands."""
        parts = [
            f"task `{status.task.id}` in {as_code(status.task.repository.name, 80)}: {as_code(status.task.goal, 300)}",
            f"it has ended as *{status.outcome}*" if status.outcome else f"it is at stage *{status.stage}*",
            f"and waits for {status.waits_for}" if status.waits_for else "",
            f"({as_code(status.message, 300)})" if status.message else "",
            status.pull_request.url if status.pull_request is not None else "",
        ]
        return " ".join(filter(None, parts))

    async def halt(self, reason: str, person: Person, once: str) -> DeliveryResult:
        """Stop all agents' work. Raises Refused."""
        scope = HaltScope(reach=Reach.ALL)
        line = await self._halting.halt(NewHalt(id=once[:32], scope=scope, reason=reason[:2000]), person)
        return done(
            f"halted ({line.scope.told}): every host makes it stand still within 5 seconds; "
            f"`journeyman resume {line.scope.option}` lets it go on"
        )


def _list(lines: Sequence[TaskLine], none: str) -> str:
    if not lines:
        return none
    told = [_line(line) for line in lines[:_MOST]]
    more = [f"and {len(lines) - _MOST} more: `journeyman tasks`"] if len(lines) > _MOST else []
    return "\n".join(told + more)


def _line(line: TaskLine) -> str:
    stands = str(line.outcome or line.stage) + (f", waits for {line.waits_for}" if line.waits_for else "")
    return f"`{line.task_id}` *{stands}* {as_code(line.repository, 60)} {as_code(line.goal, _GOAL)}"
