"""What an issue asks for: the goal, what shows that it is done, and how it stands in the team's plan. Pure.

All of it may be anybody's words. The startup context labels what comes from an issue as untrusted.
"""

import re
from collections.abc import Sequence

from activities.agents.plain_text import plain
from activities.forge.github.discussion import Remark
from activities.tracker.linear.issue import Issue
from activities.webhooks.goals import issue_goal

_HEADING = re.compile(r"\s{0,3}(?:#{1,6}\s+|\*\*)\s*acceptance criteria\b.*", re.IGNORECASE)
_ANY_HEADING = re.compile(r"\s{0,3}(?:#{1,6}\s+\S|\*\*[^*]+\*\*:?\s*$)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(\S.*)")
_BOX = re.compile(r"\s*[-*+]\s+\[[ xX]\]\s+(\S.*)")
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_MOST, _LONGEST, _PLAN = 20, 500, 200
_DESCRIPTION = 100_000
"""Characters of a description that are looked at."""


def goal(issue: Issue, words: str, asker: str, remarks: Sequence[Remark]) -> str:
    """At most as long as a goal may be; what is left out is said."""
    plan = _plan(issue)
    text = (issue.description or "")[:_DESCRIPTION]
    return issue_goal(issue.title, f"{plan}\n\n{text}" if plan else text, words, asker, remarks)


def acceptance(issue: Issue) -> tuple[str, ...]:
    """From a section that is called so, else from the boxes to tick."""
    lines = _HIDDEN.sub("", (issue.description or "")[:_DESCRIPTION]).splitlines()
    begins = next((number for number, line in enumerate(lines) if _HEADING.fullmatch(line)), None)
    found: list[str] = []
    if begins is not None:
        for line in lines[begins + 1 :]:
            if _ANY_HEADING.match(line):
                break
            if item := _ITEM.fullmatch(line):
                found.append(item[1])
    else:
        found = [item[1] for line in lines if (item := _BOX.fullmatch(line))]
    cleaned = (" ".join(plain(one, _LONGEST).split()) for one in found[:_MOST])
    return tuple(one for one in cleaned if one)


def _plan(issue: Issue) -> str:
    """Where it stands in the team's plan."""
    parts = []
    if issue.project:
        parts.append(f"project {_line(issue.project)}")
    if issue.cycle:
        parts.append(f"cycle {_line(issue.cycle)}")
    if issue.priority and issue.priority != "No priority":
        parts.append(f"priority {_line(issue.priority)}")
    return f"({issue.identifier} in Linear: {', '.join(parts)})" if parts else ""


def _line(text: str) -> str:
    return " ".join(plain(text, _PLAN).split())
