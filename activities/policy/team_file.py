"""The team's file held against the other two: what it may not say is refused with the line, what is in vain is told."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from activities.policy.combine import combine
from activities.policy.detect import Detected
from activities.policy.documents import PlatformPolicy, SecurityPolicy, TeamPolicy
from activities.policy.lines import line_of
from activities.policy.reading import TEAM_FILE, read_team
from workflows.models.policy import PolicyRefusal, TaskPolicy
from workflows.models.task import Task

_NAMED = re.compile(rf"^{re.escape(TEAM_FILE)}: `([^`]+)`")
_STEP = 0.001
"""By how much a fraction is changed to see whether it counts."""


def combined(
    platform: PlatformPolicy, security: SecurityPolicy, data: bytes | None, detected: Detected, task: Task
) -> TaskPolicy:
    """A task's policy with the team's file as its bytes, None if base has none. Raises PolicyRefusal."""
    team = read_team(data)
    try:
        return combine(platform, security, team, detected, task)
    except PolicyRefusal as refusal:
        raise PolicyRefusal(_with_line(str(refusal), data)) from refusal


def without_effect(
    platform: PlatformPolicy, security: SecurityPolicy, data: bytes | None, task: Task
) -> tuple[str, ...]:
    """Numbers, and the profile, in the team's file that are looser than another file's, so that they count for nothing.

    Each as `key = value (line N)`. The file is one that `combined` takes.
    """
    team = read_team(data)
    if team is None or data is None:
        return ()

    # Nothing but numbers: the rest of the file changes none of them, and may be as large as a file may be.
    numbers = tuple(_numbers(_concerning(team, task)))

    def hash_with(path: tuple[str, ...], value: float | None) -> str:
        changed: dict[str, Any] = {}
        for other, stated in numbers:
            if other != path:
                _put(changed, other, stated)
        if value is not None:
            _put(changed, path, value)
        try:
            return combine(platform, security, TeamPolicy.model_validate(changed), Detected(), task).hash
        except (PolicyRefusal, ValidationError):
            return ""

    policy, found = combine(platform, security, team, Detected(), task), list[tuple[int, str]]()
    if (profile := team.egress.profile) is not None and profile.rank > policy.egress_profile.rank:
        line = line_of(data.decode(), "egress.profile") or 0
        found.append((line, f'`egress.profile` = "{profile}" (line {line})'))
    for path, value in numbers:
        as_it_is = hash_with(path, value)
        less, more = (value - 1, value + 1) if isinstance(value, int) else (value * (1 - _STEP), value * (1 + _STEP))
        # What is exactly as strict as the others counts: it holds when they are loosened.
        if {hash_with(path, other) for other in (less, more, None)} - {""} == {as_it_is}:
            line = line_of(data.decode(), ".".join(path)) or 0
            found.append((line, f"`{'.'.join(path)}` = {_shown(value)}" + (f" (line {line})" if line else "")))
    return tuple(told for _, told in sorted(found))


def _with_line(refusal: str, data: bytes | None) -> str:
    named = _NAMED.match(refusal)
    line = line_of(data.decode(), named.group(1)) if named and data is not None else None
    return refusal.replace(TEAM_FILE, f"{TEAM_FILE}, line {line}", 1) if line else refusal


def _concerning(team: TeamPolicy, task: Task) -> dict[str, Any]:
    """What is stated but for other types of tasks."""
    stated = team.model_dump(mode="json", exclude_unset=True)
    kinds = stated.pop("task_types", {})
    return stated | ({"task_types": {task.task_type: kinds[task.task_type]}} if task.task_type in kinds else {})


def _shown(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _numbers(content: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int | float]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _numbers(value, (*path, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*path, key), value


def _put(content: dict[str, Any], path: tuple[str, ...], value: float) -> None:
    *tables, key = path
    for table in tables:
        content = content.setdefault(table, {})
    content[key] = value
