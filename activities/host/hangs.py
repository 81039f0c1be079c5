"""Telling a run that hangs from one that is only quiet: pure, without a clock or I/O of its own.

Nothing that works counts as a hang. A run that prints nothing may be running tests, which takes processor time, or wait
for a model that thinks, whose bytes pass the gateway. Only one that does neither, for as long as its command line's own
limit says, hangs; so does one that repeats what fails, floods its output, or goes on after its result. Whatever can't
be known, such as processor time on a host that does not tell it, counts as work.
"""

import math
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from activities.agents.adapter import Hang
from activities.agents.heard import Said
from activities.egress.contract import Traffic
from activities.sandbox.contract import RunStatus
from workflows.models.run import HangKind, RunEnd

IDLE_SHARE = 0.05
"""Of one processor: a command line that waits has timers and a collector of garbage, and uses less than this."""
FLOOD_BYTES = 256 * 1024
"""A second. A choice: far above what a stream of JSON events for people to read comes to."""
FAILURES = 3
"""Fewer are bad luck, however long ago the first one was."""
PATIENCE = 10
"""How many times its limit a run may be busy after it has reported its result."""
_MOST_SAMPLES = 16_384
_TOLD = {
    HangKind.SILENT_START: "it printed nothing for {0:g} s after its start, and neither computed nor asked its model",
    HangKind.STALL: "it printed nothing for {0:g} s, and neither computed nor asked its model",
    HangKind.NO_EXIT: "it had reported its result, and did not end within {0:g} s",
    HangKind.RETRY_LOOP: "for {0:g} s all that it tried failed, and it tried again",
    HangKind.PERMISSION_PROMPT: "for {0:g} s it waited for somebody to allow something, and nobody is there",
    HangKind.OUTPUT_FLOOD: f"for {{0:g}} s it printed more than {FLOOD_BYTES // 1024} KiB a second",
}
_NO_TRAFFIC, _NOTHING_SAID = Traffic(), Said()
_REASON = re.compile(r"hung \(([a-z-]+)\): ")


def reason(hang: Hang) -> str:
    """Why such a run is stopped: for people, and for a later attempt of the step, which knows it again by this."""
    return f"hung ({hang.kind}): {_TOLD[hang.kind].format(hang.seconds)}"


def hang_of(detail: str) -> HangKind | None:
    """Which hang a run was stopped for, by the reason that its final status states; None if for none."""
    found = _REASON.match(detail)
    return HangKind(found[1]) if found and found[1] in set(HangKind) else None


def hang_in(status: RunStatus) -> HangKind | None:
    """How a run hung that has ended; None if it did not. One that came to its limit on output flooded it."""
    if status.end is RunEnd.OUTPUT:
        return HangKind.OUTPUT_FLOOD
    return hang_of(status.detail) if status.end is RunEnd.HUNG else None


@dataclass(frozen=True)
class Look:
    """What is known of a run at one moment: counts from its start. One that is lower than before says nothing."""

    seconds: float
    """Since the look before, in which it did not stand still."""
    output_bytes: int = 0
    cpu_seconds: float | None = None
    """Of all its processes; None if that is not known."""
    traffic: Traffic = _NO_TRAFFIC
    said: Said = _NOTHING_SAID


class _Growth:
    """A count over time, and by how much it grew lately."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._samples: deque[tuple[float, float]] = deque(maxlen=_MOST_SAMPLES)
        self._total = 0.0
        self._last: float | None = None
        self.changed_at = 0.0

    def note(self, at: float, count: float | None) -> None:
        if count is None:
            self._samples.clear()
            self._last = None
            return
        grown = max(0.0, count - self._last) if self._last is not None else 0.0
        if grown:
            self.changed_at = at
        self._total += grown
        self._last = count
        self._samples.append((at, self._total))
        # One sample older than the longest limit stays, to count from.
        while len(self._samples) > 2 and self._samples[1][0] <= at - self._longest:
            self._samples.popleft()

    def within(self, at: float, seconds: float) -> float | None:
        """By how much it grew in the last seconds; None if it was not known for that long."""
        before = next((total for moment, total in reversed(self._samples) if moment <= at - seconds), None)
        return None if before is None else self._total - before


@dataclass
class _Failing:
    """Failures with nothing else between them."""

    count: int = 0
    first: float = 0
    last: float = 0

    def note(self, at: float, failures: int, *, worked: bool) -> None:
        if worked:
            self.count = 0
        elif failures:
            self.first = self.first if self.count else at
            self.count, self.last = self.count + failures, at

    def goes_on(self, at: float, seconds: float) -> bool:
        """Whether there has been nothing else for so long, and it still is tried."""
        return self.count >= FAILURES and at - self.first >= seconds and at - self.last <= seconds / 2


class HangDetector:
    """Is told of a run look by look, and names a hang."""

    def __init__(self, hangs: Iterable[Hang]) -> None:
        self._hangs = {hang.kind: hang for hang in hangs}
        longest = max((hang.seconds for hang in self._hangs.values()), default=0)
        self._at = 0.0
        self._output, self._cpu, self._gateway = _Growth(longest), _Growth(longest), _Growth(longest)
        self._requests, self._errors = _Failing(), _Failing()
        self._before = Look(0)
        self._has_output = False
        self._result_at = math.inf

    def look(self, now: Look) -> Hang | None:
        """The hang that is known with this look; None if the run is not known to hang."""
        before, self._before = self._before, now
        self._at = at = self._at + max(0.0, now.seconds)
        self._output.note(at, now.output_bytes)
        self._cpu.note(at, now.cpu_seconds)
        self._gateway.note(at, now.traffic.moved)
        self._has_output |= now.output_bytes > 0
        self._requests.note(
            at,
            max(0, now.traffic.failed - before.traffic.failed),
            worked=now.traffic.answered > before.traffic.answered,
        )
        steps, errors = now.said.steps - before.said.steps, now.said.errors - before.said.errors
        self._errors.note(at, max(0, errors), worked=steps > 0)
        self._result_at = min(self._result_at, at) if now.said.has_result else math.inf
        return next((hang for kind in HangKind if (hang := self._hangs.get(kind)) and self._is(hang)), None)

    def _is(self, hang: Hang) -> bool:
        seconds, ended = hang.seconds, self._result_at < math.inf
        silent = self._at - self._output.changed_at
        match hang.kind:
            case HangKind.NO_EXIT:
                since = self._at - self._result_at
                return since >= PATIENCE * seconds or (since >= seconds and self._rests(seconds))
            case HangKind.OUTPUT_FLOOD:
                printed = self._output.within(self._at, seconds)
                return printed is not None and printed >= FLOOD_BYTES * seconds
            case HangKind.RETRY_LOOP:
                loops = (self._requests, self._errors)
                return not ended and any(failing.goes_on(self._at, seconds) for failing in loops)
            case HangKind.PERMISSION_PROMPT:
                return not ended and self._before.said.asks and silent >= seconds and self._rests(seconds)
            case HangKind.SILENT_START:
                return not self._has_output and silent >= seconds and self._rests(seconds)
            case HangKind.STALL:
                return not ended and self._has_output and silent >= seconds and self._rests(seconds)

    def _rests(self, seconds: float) -> bool:
        """Whether, for so long, it has computed next to nothing, and nothing has passed its way out."""
        used = self._cpu.within(self._at, seconds)
        return self._at - self._gateway.changed_at >= seconds and used is not None and used < IDLE_SHARE * seconds
