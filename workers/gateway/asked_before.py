"""Whether somebody who asks under a known key asks for what its task is about."""

from activities.forgetting.words import FORGOTTEN
from workers.gateway.refusals import Refused
from workflows.models.task import Task

_GOAL_CHARS = 120


def refuse_another(known: Task, asked: Task) -> None:
    """Raise Refused if the intent's task is about something else: nothing that was asked may vanish in silence."""
    parts = {
        "goal": (known.goal, asked.goal),
        "repository": (known.repository.url, asked.repository.url),
        "base": (known.base, asked.base),
        "type": (known.task_type, asked.task_type),
        "agent": (known.agent, asked.agent),
        "scope": (known.scope, asked.scope),
        "acceptance criteria": (known.acceptance, asked.acceptance),
    }
    # What was forgotten on request can't be compared, and is no reason to begin the same intent twice.
    differing = [name for name, (before, now) in parts.items() if before != now and not _is_forgotten(before)]
    if differing:
        raise Refused(
            f"nothing was started: the key {asked.intent.key!r} belongs to task {known.id}, whose "
            f"{' and '.join(differing)} {'differ' if len(differing) > 1 else 'differs'}; its goal is "
            f"{_shortened(known.goal)!r}. Ask under another key, or with --again once that task has ended"
        )


def _is_forgotten(before: object) -> bool:
    return before == FORGOTTEN or (isinstance(before, tuple) and FORGOTTEN in before)


def _shortened(goal: str) -> str:
    line = " ".join(goal.split())
    return line if len(line) <= _GOAL_CHARS else f"{line[: _GOAL_CHARS - 1]}…"
