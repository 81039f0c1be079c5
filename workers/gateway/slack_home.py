"""The App's home in Slack: read and published when somebody opens it, for whom the directory says they are."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from activities.chat.slack.access import SlackAccess, SlackAway, SlackRefused
from activities.chat.slack.home import Home, HomeLine, RepositoryFigures, home_view, stranger_view
from activities.decisions.attested import Attested
from activities.decisions.trust import TrustRecords
from activities.policy.combine import TASK_TYPES
from activities.policy.owners import OwnersFiles, PolicyFileBroken
from workers.gateway.messages import TaskLine
from workers.gateway.reading import Reading
from workers.gateway.slack_sight import SlackSight
from workflows.models.gate import FIRST_PHASE
from workflows.models.person import Person
from workflows.models.status import WAITS_FOR, Outcome, Stage

_MOST_ASKED = 30
"""Waiting tasks of which it is looked up who may decide about them."""
_MOST_TRUSTED = 5
"""Repositories of which it is looked up what they have earned."""
_log = logging.getLogger(__name__)


class SlackHome:
    """Publishes it."""

    def __init__(
        self,
        access: SlackAccess,
        owners: OwnersFiles,
        sight: SlackSight,
        reading: Reading,
        attested: Attested,
        trust: TrustRecords,
    ) -> None:
        self._access = access
        self._owners = owners
        self._sight = sight
        self._reading = reading
        self._attested = attested
        self._trust = trust

    async def publish(self, user: str, person: Person | None) -> None:
        """Show somebody their home. `user`: in Slack. What fails is logged: whoever opens it again has it again."""
        try:
            view = home_view(await self._home(person)) if person is not None else stranger_view(user)
            await self._access.call("views.publish", user_id=user, view=view.to_dict())
        except (SlackAway, SlackRefused, PolicyFileBroken) as error:
            _log.warning("the home of %s in Slack could not be shown: %s", user, error)

    async def _home(self, person: Person) -> Home:
        lines = self._sight.lines(await self._reading.lines(), person)
        is_open = [line for line in lines if line.stage is not Stage.ENDED]
        waiting = [line for line in is_open if line.stage in WAITS_FOR][:_MOST_ASKED]
        merged = [line for line in lines if line.outcome is Outcome.MERGED and not line.reverted]
        return Home(
            waiting=_lines([line for line in waiting if await self._waits_for(line, person)]),
            mine=_lines(line for line in is_open if line.requester == person.id),
            merged=_lines(merged),
            figures=[await self._trusted(one) for one in figures(lines)],
            of_tasks=len(lines),
        )

    async def _waits_for(self, line: TaskLine, person: Person) -> bool:
        """Whether they may decide what it waits for, as far as is known without asking the task."""
        evidence = await self._attested.evidence(line.task_id)
        reviewers = evidence[-1].policy.reviewers if evidence else ()
        is_theirs = line.requester == person.id
        if line.stage is Stage.QUESTION:
            return is_theirs or person.id in reviewers
        platform, security = self._owners.platform(), self._owners.security()
        may_decide_own = platform.allow_self_approval and security.allow_self_approval is not False
        may = security.approve is None or person.id in security.approve
        return may and (not reviewers or person.id in reviewers) and (not is_theirs or may_decide_own)

    async def _trusted(self, one: RepositoryFigures) -> RepositoryFigures:
        named = list(self._sight.addresses().items())[:_MOST_TRUSTED]
        url = dict(named).get(one.repository)
        if url is None:
            return one
        found = [await self._trust.of(url, kind) for kind in TASK_TYPES]
        earned = tuple(f"{trust.task_type} in phase {trust.phase}" for trust in found if trust.phase > FIRST_PHASE)
        return replace(one, trust=earned)


def figures(lines: Iterable[TaskLine]) -> list[RepositoryFigures]:
    """By repository, the one with most tasks first."""
    by_name: dict[str, list[TaskLine]] = defaultdict(list)
    for line in lines:
        by_name[line.repository].append(line)
    return [_figures(name, of) for name, of in sorted(by_name.items(), key=lambda item: (-len(item[1]), item[0]))]


def _figures(name: str, lines: Sequence[TaskLine]) -> RepositoryFigures:
    ended = [line for line in lines if line.stage is Stage.ENDED]
    merged = sum(line.outcome is Outcome.MERGED for line in ended)
    return RepositoryFigures(
        repository=name,
        open=len(lines) - len(ended),
        waiting=sum(line.stage in WAITS_FOR for line in lines),
        merged=merged,
        reverted=sum(line.reverted for line in lines),
        unmerged=len(ended) - merged,
    )


def _lines(lines: Iterable[TaskLine]) -> list[HomeLine]:
    return [HomeLine(line.task_id, line.repository, line.goal, _stands(line), line.started) for line in lines]


def _stands(line: TaskLine) -> str:
    if line.outcome is not None:
        return str(line.outcome)
    return f"waits for {line.waits_for}" if line.waits_for else str(line.stage)
