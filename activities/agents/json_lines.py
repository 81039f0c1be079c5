"""Reading one JSON line of an agent's output, where nothing in it can be trusted to be of any type or size."""

import json
from typing import Any

from activities.agents.plain_text import plain
from workflows.models.transcript import EventKind, TranscriptEvent

TEXT_CHARS = 20_000
"""Of one event; the raw output is kept beside the transcript."""
NAME_CHARS = 200
_MOST_TOKENS = 10**12
_MOST_PARTS = 200


def content_of(line: bytes) -> dict[str, Any] | None:
    """The object that a line holds; None if it holds anything else."""
    text = line.strip()
    if not text.startswith(b"{"):
        return None
    try:
        content = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def as_message(line: bytes) -> list[TranscriptEvent]:
    """A line that is no event of the CLI's, kept as what it says: warnings, crashes, garbage."""
    text = plain(line.decode("utf-8", "replace").strip(), TEXT_CHARS)
    return [TranscriptEvent(kind=EventKind.MESSAGE, text=text)] if text else []


def table(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects in a list, at most so many; none if it is no list."""
    return [item for item in value[:_MOST_PARTS] if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any, limit: int = TEXT_CHARS) -> str:
    """A string made safe to show; anything else as JSON, and nothing for None."""
    return "" if value is None else plain(value if isinstance(value, str) else json.dumps(value), limit)


def name(value: Any) -> str:
    """A short string such as a tool's name or a session's id."""
    return text(value, NAME_CHARS)


def tokens(value: Any) -> int:
    """A count; zero if it is none."""
    return max(0, min(value, _MOST_TOKENS)) if type(value) is int else 0
