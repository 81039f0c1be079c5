"""What a run tells the one that goes on with its work: its own words and steps, from the transcript.

Made without asking the model again: an agent that has lost its thread would tell it wrongly, and pay for it.
"""

from collections.abc import Iterable, Sequence

from activities.agents.plain_text import plain
from workflows.models.transcript import EventKind, TranscriptEvent

MOST_CHARS = 12_000
_MESSAGE_CHARS = 1_500
_STEP_CHARS = 160
_LAST_MESSAGES = 5
_LAST_STEPS = 60


def handover(events: Sequence[TranscriptEvent], why: str) -> str:
    """A summary of at most MOST_CHARS characters. All of it is the agent's word, so untrusted."""
    said = [event for event in events if event.kind is EventKind.MESSAGE and event.text.strip()]
    steps = list(_steps(events))
    parts = [f"The run before this one ended because {why}."]
    if said:
        parts.append("What the agent said first:\n" + plain(said[0].text, _MESSAGE_CHARS))
    last = said[1:][-_LAST_MESSAGES:]
    if last:
        parts.append("What it said last:\n" + "\n\n".join(plain(event.text, _MESSAGE_CHARS) for event in last))
    if steps:
        left_out = len(steps) - _LAST_STEPS
        heading = f"Its tool calls ({left_out} earlier ones left out):" if left_out > 0 else "Its tool calls:"
        parts.append("\n".join([heading, *steps[-_LAST_STEPS:]]))
    return plain("\n\n".join(parts), MOST_CHARS)


def _steps(events: Iterable[TranscriptEvent]) -> Iterable[str]:
    for event in events:
        line = " ".join(plain(event.text, _STEP_CHARS).split())
        if event.kind is EventKind.TOOL_CALL:
            yield f"- {event.tool or 'tool'}: {line}"
        elif event.kind in {EventKind.TOOL_RESULT, EventKind.ERROR} and (
            event.is_error or event.kind is EventKind.ERROR
        ):
            yield f"  failed: {line}"
