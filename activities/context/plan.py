"""What the team of a repository plans, as its tracker has it: issues for agents, and what comes first in this cycle.

Whoever may write issues wrote it. That the tracker is away is told in the manifest, and holds up nothing.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from activities.agents.plain_text import plain
from activities.context.manifest import Source, Trust
from activities.context.sources import Part, part
from activities.policy.documents import PlatformPolicy
from activities.policy.owners import PolicyFileBroken
from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.failed import LinearAway, LinearRefused
from activities.tracker.teams import teams_of
from workflows.models.policy import PolicyRefusal

PLAN_CHARS = 6_000
_KIND = "plan"
_MOST_TEAMS = 3
_MOST_ISSUES = 15
_TITLE_CHARS = 160
_SECONDS = 20.0
_CLOSED = ("completed", "canceled")


class TeamPlan:
    """Of the teams that `[linear].teams` names for a repository."""

    def __init__(self, platform: Callable[[], PlatformPolicy], access: LinearAccess) -> None:
        self._platform = platform
        self._access = access

    async def of(self, repository: str, now: datetime) -> list[Part]:
        """One part for each team, at most three; a team whose plan can't be had is told why. Never raises for that."""
        try:
            teams = teams_of(self._platform(), repository)
        except (PolicyRefusal, PolicyFileBroken):
            return []
        return [await self._team(team, now) for team in teams[:_MOST_TEAMS]]

    async def _team(self, team: str, now: datetime) -> Part:
        name = f"linear:{team}"
        try:
            async with asyncio.timeout(_SECONDS):
                lines = await self._lines(team)
        except (LinearAway, LinearRefused, PolicyFileBroken) as error:
            return _left_out(name, str(error))
        except TimeoutError:
            return _left_out(name, f"Linear did not answer within {_SECONDS:.0f} s")
        except (KeyError, TypeError, ValueError):
            return _left_out(name, "Linear answers otherwise than it describes it")
        return part(_KIND, name, Trust.UNTRUSTED, "\n".join(lines).encode("utf-8", "replace"), PLAN_CHARS, now=now)

    async def _lines(self, team: str) -> list[str]:
        table = self._platform().linear
        if table is None:
            return []
        lines: list[str] = []
        of_team = {"team": {"key": {"eq": team}}, "state": {"type": {"nin": list(_CLOSED)}}}
        if table.label:
            found = await self._issues({**of_team, "labels": {"name": {"eqIgnoreCase": table.label}}})
            lines += _listed(f"Open issues of team {team} that are for agents:", found)
        found = await self._issues({**of_team, "cycle": {"isActive": {"eq": True}}})
        return lines + _listed(f"Open issues of team {team} in the current cycle, the most urgent first:", found)

    async def _issues(self, wanted: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        answer = await self._access.ask(documents.BACKLOG, filter=wanted, first=50)
        # Zero is no priority at all, and one the most urgent.
        by_urgency = sorted(answer["issues"]["nodes"], key=lambda one: (one["priority"] or 9, str(one["identifier"])))
        return by_urgency[:_MOST_ISSUES]


def _listed(heading: str, issues: list[Mapping[str, Any]]) -> list[str]:
    if not issues:
        return []
    return [heading, *(_line(issue) for issue in issues)]


def _line(issue: Mapping[str, Any]) -> str:
    title = " ".join(plain(str(issue["title"]), _TITLE_CHARS).split())
    about = " ".join(plain(f"{issue['priorityLabel']}, {issue['state']['name']}", 80).split())
    return f"- {plain(str(issue['identifier']), 20)} ({about}): {title}"


def _left_out(name: str, why: str) -> Part:
    source = Source(
        kind=_KIND,
        name=name,
        trust=Trust.UNTRUSTED,
        sha256=hashlib.sha256(b"").hexdigest(),
        size=0,
        used_characters=0,
        note=f"left out: {plain(why, 300)}",
    )
    return Part(source, "")
