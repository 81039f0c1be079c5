"""What an agent's output says of where it stands: its own word, so good for noticing a hang and for nothing else."""

import re
from dataclasses import dataclass

from workflows.models.transcript import EventKind, TranscriptEvent

_TAIL_BYTES = 4096
_QUESTION = re.compile(
    rb"\[y/n\]|\(y/n\)|\(yes/no\)|do you want to (proceed|allow|continue|run)|\ballow (this|once|always|it)\b"
    rb"|\ballow .{1,200}\?|(permission|approval) (is )?(required|requested|needed)"
    rb"|waiting for (your )?(permission|approval|confirmation)|press (enter|any key)|password:\s*$",
    re.IGNORECASE,
)
"""In plain text."""
_ASKING = re.compile(rb'"(type|subtype)"\s*:\s*"[^"]{0,100}(permission|approval|can_use_tool)', re.IGNORECASE)
"""In a line of JSON, whose texts may quote anything."""


@dataclass(frozen=True)
class Said:
    """What was said so far."""

    steps: int = 0
    """Events that are no errors."""
    errors: int = 0
    has_result: bool = False
    """Whether it has reported its result, and called no tool since."""
    asks: bool = False
    """Whether its last line asks somebody to allow something."""


class Heard:
    """Listens to output and events as they come. Its memory is bounded, whatever comes."""

    def __init__(self) -> None:
        self._tail = b""
        self._steps = self._errors = 0
        self._has_result = False

    def output(self, data: bytes) -> None:
        """Raw output, in pieces of any size."""
        self._tail = (self._tail + data[-_TAIL_BYTES:])[-_TAIL_BYTES:]

    def event(self, event: TranscriptEvent) -> None:
        """An event of it."""
        is_error = event.kind is EventKind.ERROR
        self._errors += is_error
        self._steps += not is_error
        if event.kind in (EventKind.RESULT, EventKind.TOOL_CALL):
            self._has_result = event.kind is EventKind.RESULT

    def said(self) -> Said:
        """Where it stands by its own word."""
        last = self._tail.rstrip().rpartition(b"\n")[2].strip()
        asks = (_ASKING if last.startswith(b"{") else _QUESTION).search(last) is not None
        return Said(steps=self._steps, errors=self._errors, has_result=self._has_result, asks=asks)
