"""When a run's output arrived: an index beside the output, kept by the supervisor, read by whoever reads the output.

Standard library only, since supervisors load it. The index is text, one line an entry: an offset and unix seconds.
What begins at that offset arrived at that moment, or within SPACING after it.
"""

import bisect
import math
import os
from pathlib import Path
from typing import NamedTuple

SPACING = 0.05
"""Seconds between two entries, at least: tool calls are told apart well enough, and a flood costs nothing."""
WIDEN = 5000
"""After so many entries the spacing doubles, so that hours of steady output stay below a megabyte."""
_MOST_BYTES = 4 * 1024 * 1024


class ArrivalLog:
    """Writes the index. A failure to write loses times, never output."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._count = 0
        self._last = -math.inf

    def note(self, offset: int, now: float) -> None:
        """Output that begins at this offset arrives now."""
        if now - self._last < SPACING * 2 ** (self._count // WIDEN):
            return
        try:
            os.write(self._descriptor, f"{offset} {now:.3f}\n".encode())
        except OSError:
            return
        self._count += 1
        self._last = now


class Arrivals(NamedTuple):
    """The index, read. Offsets rise, and so do times."""

    offsets: tuple[int, ...] = ()
    times: tuple[float, ...] = ()

    def at(self, offset: int) -> float:
        """Unix seconds when the byte at this offset arrived; 0 if that is not known."""
        place = bisect.bisect_right(self.offsets, offset)
        return self.times[place - 1] if place else 0


UNKNOWN = Arrivals()


def read_arrivals(file: Path) -> Arrivals:
    """The index of a run; what is missing, torn or makes no sense is left out."""
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES)
    except OSError:
        return UNKNOWN
    offsets: list[int] = []
    times: list[float] = []
    for line in data.splitlines(keepends=True):
        entry = _entry(line)
        if entry and (not offsets or (entry[0] > offsets[-1] and entry[1] >= times[-1])):
            offsets.append(entry[0])
            times.append(entry[1])
    return Arrivals(tuple(offsets), tuple(times))


def _entry(line: bytes) -> tuple[int, float] | None:
    """An entry, unless the supervisor died while it wrote it."""
    parts = line.split()
    if not line.endswith(b"\n") or len(parts) != 2:
        return None
    try:
        offset, moment = int(parts[0]), float(parts[1])
    except ValueError:
        return None
    return (offset, moment) if offset >= 0 and math.isfinite(moment) and moment > 0 else None
