"""From raw output to the common transcript, however long, broken or hostile the output is."""

from collections.abc import Iterator
from dataclasses import dataclass

from activities.agents.adapter import AgentAdapter
from activities.sandbox.arrivals import UNKNOWN, Arrivals
from workflows.models.transcript import EventKind, TranscriptEvent

LINE_BYTES = 1024 * 1024
"""Of a longer line the beginning is read and the rest is skipped; the raw output has it."""
MOST_LINES = 50_000
MOST_BYTES = 16 * 1024 * 1024
"""Of the transcript as JSON lines."""


@dataclass(frozen=True)
class Transcript:
    """The events of one run."""

    events: tuple[TranscriptEvent, ...]
    lines: bytes
    """The same as JSON lines, for the archive."""


class TranscriptReader:
    """Reads output as it comes, in pieces of any size. Its memory is bounded, whatever comes."""

    def __init__(self, adapter: AgentAdapter, offset: int = 0, arrivals: Arrivals = UNKNOWN) -> None:
        self._adapter = adapter
        self._offset = offset
        """Of the byte after what was fed so far, in the whole output."""
        self._arrivals = arrivals
        self._line = bytearray()
        self._skipped = 0

    def feed(self, data: bytes) -> list[TranscriptEvent]:
        """The events of the lines that are complete now."""
        events: list[TranscriptEvent] = []
        start = 0
        while (end := data.find(b"\n", start)) != -1:
            self._keep(data[start:end])
            self._offset += 1
            events += self.finish()
            start = end + 1
        self._keep(data[start:])
        return events

    def finish(self) -> list[TranscriptEvent]:
        """The events of what was read of a line so far; call it once more when the output is over."""
        line, skipped = bytes(self._line), self._skipped
        self._line.clear()
        self._skipped = 0
        events = self._adapter.read_events(line)
        if skipped:
            text = f"[a line was {len(line) + skipped} bytes long; {skipped} of them were not read]"
            events.append(TranscriptEvent(kind=EventKind.ERROR, text=text))
        # The line is there when its end is. An adapter's own idea of the time is the agent's word, and not taken.
        at = self._arrivals.at(self._offset - 1)
        return [event.model_copy(update={"at": at}) for event in events] if at else events

    def _keep(self, part: bytes) -> None:
        room = LINE_BYTES - len(self._line)
        self._line += part[:room]
        self._skipped += max(0, len(part) - room)
        self._offset += len(part)


def read_transcript(adapter: AgentAdapter, output: bytes, arrivals: Arrivals = UNKNOWN) -> Transcript:
    """The transcript of output that is complete, with the times its lines arrived where they are known.

    Over the limits its middle is left out and says so.
    """
    first, skipped, last = _ends(output)
    # How a run began and how it ended tell most; a flood between costs neither time nor memory.
    events = _read(adapter, first, 0, arrivals)
    if skipped:
        events += [_gap(skipped, "lines"), *_read(adapter, last, len(output) - len(last), arrivals)]
    lines = [line.encode() + b"\n" for line in _json_lines(events)]
    if sum(map(len, lines)) > MOST_BYTES:
        events, lines = _shorten(events, lines)
    return Transcript(events=tuple(events), lines=b"".join(lines))


def _read(adapter: AgentAdapter, output: bytes, offset: int, arrivals: Arrivals) -> list[TranscriptEvent]:
    reader = TranscriptReader(adapter, offset, arrivals)
    return [*reader.feed(output), *reader.finish()]


def _ends(output: bytes) -> tuple[bytes, int, bytes]:
    """The first lines, how many were skipped, and the last lines; all are in the first part if they are few."""
    if output.count(b"\n") < MOST_LINES:
        return output, 0, b""
    start, end = 0, len(output)
    for _ in range(MOST_LINES // 2):
        start = output.find(b"\n", start) + 1
        end = output.rfind(b"\n", 0, end)
    return output[:start], output.count(b"\n", start, end) + 1, output[end + 1 :]


def _json_lines(events: list[TranscriptEvent]) -> Iterator[str]:
    return (event.model_dump_json(exclude_defaults=True) for event in events)


def _shorten(events: list[TranscriptEvent], lines: list[bytes]) -> tuple[list[TranscriptEvent], list[bytes]]:
    first, last = _fitting(lines), _fitting(lines[::-1])
    gap = _gap(len(lines) - first - last, "events")
    kept = [*events[:first], gap, *events[-last:]]
    return kept, [*lines[:first], gap.model_dump_json(exclude_defaults=True).encode() + b"\n", *lines[-last:]]


def _fitting(lines: list[bytes]) -> int:
    """How many of the lines fit into half of what may be kept; at least one."""
    room = MOST_BYTES // 2
    for count, line in enumerate(lines):
        room -= len(line)
        if room < 0:
            return max(1, count)
    return len(lines)


def _gap(count: int, of: str) -> TranscriptEvent:
    return TranscriptEvent(kind=EventKind.ERROR, text=f"[{count} {of} are left out here; the raw output has them]")
