"""A supervisor's pulse: by it, one that stands still is told from one that has nothing to say.

Standard library only, since supervisors load it. The pulse is a file with the monotonic clock's seconds, which all
processes of one boot share; unlike a modification time it does not jump when the clock is set.
"""

import contextlib
import os
import time
from pathlib import Path

BEAT_SECONDS = 0.5


class Pulse:
    """Writes it. A failure to write is no reason to end a run."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self._beaten = 0.0

    def beat(self) -> None:
        """Say that the supervisor is at work; cheap enough for every turn of its loop."""
        now = time.monotonic()
        if now - self._beaten >= BEAT_SECONDS:
            self._beaten = now
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, f"{now:020.3f}\n".encode(), 0)


def silence(file: Path, started: int) -> float:
    """Seconds since the last beat, or since the supervisor's start where there was none: it may be stopped before it.

    `started`: in clock ticks after boot. For a supervisor of this boot only.
    """
    try:
        return max(0.0, time.monotonic() - float(file.read_text()))
    except (OSError, ValueError):
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK"))
