"""An agent's transcript for people to read: its words, its tools, and what they answered, shortened."""

from collections.abc import Iterable, Iterator

from workers.cli.terminal import safe_block
from workflows.models.transcript import EventKind, TranscriptEvent

_RESULT_LINES = 12
"""Of what a tool answered; --json has all of it."""
_LINE_CHARS = 240


def transcript_lines(lines: Iterable[str]) -> Iterator[str]:
    """JSON lines of a transcript as text without control characters."""
    for line in lines:
        yield from _shown(TranscriptEvent.model_validate_json(line))


def _shown(event: TranscriptEvent) -> Iterator[str]:
    text = safe_block(event.text.encode()).strip("\n").split("\n")
    match event.kind:
        case EventKind.MESSAGE:
            yield from text
        case EventKind.TOOL_CALL:
            yield f"→ {event.tool or 'tool'}: {_cut(' '.join(text))}"
        case EventKind.TOOL_RESULT:
            mark = "  ✗ " if event.is_error else "    "
            yield from (mark + _cut(line) for line in text[:_RESULT_LINES])
            if len(text) > _RESULT_LINES:
                yield f"    … {len(text) - _RESULT_LINES} more lines"
        case EventKind.RESULT:
            yield from (f"{'✗' if event.is_error else '='} {line}" for line in text)
        case EventKind.ERROR | EventKind.DENIAL:
            yield from (f"✗ {line}" for line in text)
        case EventKind.USAGE:
            # The gateway counts what is used; `show` prints that.
            return


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_CHARS else f"{line[: _LINE_CHARS - 1]}…"
