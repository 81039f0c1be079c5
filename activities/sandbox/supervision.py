"""The supervisor's loop over one sandbox, from its start to its final status."""

import os
import select
import signal
import time

from activities.sandbox import run_directory
from activities.sandbox.arrivals import ArrivalLog
from activities.sandbox.confinement import Confinement
from activities.sandbox.launch import Launch
from activities.sandbox.lease import Lease
from activities.sandbox.pulse import Pulse
from activities.sandbox.run_directory import RunDirectory
from activities.sandbox.spawn import log

STARTING_SECONDS = 120.0
"""Until a sandbox whose first process is not there is given up; engines are slow on a machine that is busy."""
TICK = 0.1
"""Seconds between two looks at requests, lease and limits."""
SHORT_TICK = 0.01
"""The same in the first moments of standing still, which may be meant to be short."""
SHORT_STILLNESS = 2.0
CHUNK = 65536
BURST = 4 * 1024 * 1024
"""Output taken at a time, before the limits are looked at again."""
TAIL = 2000
"""Bytes of output that explain why a sandbox could not be made."""


class Supervision:
    """One sandbox and everything known about it."""

    def __init__(self, directory: RunDirectory, launch: Launch, confinement: Confinement) -> None:
        self._directory, self._launch, self._confinement = directory, launch, confinement
        self._lease = Lease(launch)
        self._pulse = Pulse(directory.pulse)
        self._end: tuple[str, str] | None = None
        self._started = self._ticked = time.monotonic()
        self._frozen_seconds = 0.0
        self._short_until = 0.0
        # Moments are told by one clock that never jumps, read once against the wall clock.
        self._epoch = time.time() - self._started
        self._requested_at = directory.launch.stat().st_mtime
        self._started_at = 0.0
        self._arrivals = ArrivalLog(directory.arrivals)
        self._output = os.open(directory.output, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._output_bytes = os.fstat(self._output).st_size

    def run(self, termination: int) -> None:
        """Start the sandbox, stay with it until nothing of it is left, and write what became of it."""
        confinement = self._confinement
        try:
            confinement.start()
        except OSError as error:
            self._conclude("not-started", f"The sandbox could not be made: {error}")
        poll = select.poll()
        for descriptor in (confinement.output, *confinement.reports, termination):
            poll.register(descriptor, select.POLLIN)
        while self._end is None:
            for descriptor, _ in poll.poll(self._wait_milliseconds()):
                if descriptor == termination:
                    self._terminated(os.read(termination, 64))
                elif not self._take_from(descriptor):
                    poll.unregister(descriptor)
            goes_on = confinement.runs()
            self._look(goes_on)
            if not goes_on:
                break
        self._kill()
        self._finish()

    def _wait_milliseconds(self) -> int:
        return max(0, int((self._ticked + self._tick() - time.monotonic()) * 1000))

    def _tick(self) -> float:
        return SHORT_TICK if self._ticked < self._short_until else TICK

    def _terminated(self, signals: bytes) -> None:
        if {signal.SIGTERM, signal.SIGINT} & set(signals):
            reason = self._requested_stop() or "The supervisor was asked to end."
            self._conclude("stopped", reason)

    def _conclude(self, end: str, detail: str) -> None:
        """Decide why the run ends; the first reason stands."""
        if self._end is None:
            self._end = (end, detail)

    def _take_from(self, descriptor: int) -> bool:
        """Take in what is there. False at the end of the stream."""
        if descriptor != self._confinement.output:
            more = self._confinement.hear(descriptor)
            self._note_the_start()
            return more
        taken = 0
        while taken < BURST:
            try:
                data = os.read(descriptor, CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            taken += len(data)
            self._keep(data)
        return True

    def _keep(self, data: bytes) -> None:
        room = self._launch.ceilings.output_bytes - self._output_bytes
        self._arrivals.note(self._output_bytes, self._now())
        kept = memoryview(data)[: max(0, room)]
        while kept:
            try:
                written = os.write(self._output, kept)
            except OSError as error:
                self._conclude("stopped", f"Its output could not be kept: {error.strerror}. Free space on the host.")
                return
            self._output_bytes += written
            kept = kept[written:]
        if len(data) > room:
            limit = self._launch.ceilings.output_bytes
            self._conclude("output", f"It wrote more than {limit} bytes of output; the rest is not kept.")

    def _note_the_start(self) -> None:
        if self._confinement.started and not self._started_at:
            self._started, self._frozen_seconds = time.monotonic(), 0.0
            self._started_at = self._now()
            if self._confinement.inside:
                self._directory.identify(self._directory.sandbox, self._confinement.inside)

    def _look(self, goes_on: bool) -> None:
        """Once a tick: requests, lease, deadline and limits."""
        self._pulse.beat()
        now = time.monotonic()
        passed = now - self._ticked
        if passed < self._tick() or not goes_on:
            return
        self._ticked = now
        if not self._directory.path.is_dir():
            self._conclude("stopped", "The run's directory vanished.")
            return
        reason = self._requested_stop()
        if reason is not None:
            self._conclude("stopped", reason)
        frozen = self._confinement.frozen
        if frozen:
            self._frozen_seconds += passed
        elif not self._confinement.started:
            if now - self._started > STARTING_SECONDS:
                self._conclude("not-started", f"The sandbox was not there after {STARTING_SECONDS:g} seconds.")
        elif self._ran() > self._launch.ceilings.wall_seconds:
            self._conclude("deadline", f"It ran longer than {self._launch.ceilings.wall_seconds:g} seconds.")
        if self._lease.lapsed():
            self._conclude("lease-lapsed", self._lease.explanation())
        wanted = self._lease.overdue() or self._directory.freeze.exists() or self._directory.halt.exists()
        if wanted and not frozen:
            self._short_until = now + SHORT_STILLNESS
        if wanted or frozen:
            self._confinement.keep_frozen(wanted)
            self._tell_stillness(wanted)
        if broken := self._confinement.broken_limit():
            self._conclude(*broken)

    def _tell_stillness(self, wanted: bool) -> None:
        """Whoever copies what the sandbox has waits for this."""
        if not wanted:
            self._directory.still.unlink(missing_ok=True)
        elif not self._directory.still.exists() and self._confinement.stands_still():
            self._directory.still.touch()

    def _requested_stop(self) -> str | None:
        try:
            return self._directory.stop.read_text(errors="replace")
        except OSError:
            return None

    def _kill(self) -> None:
        """Kill everything of the sandbox until nothing is left, and take in the last of what it said."""
        while not self._confinement.kill():
            self._pulse.beat()
            time.sleep(0.002)
        for descriptor in (self._confinement.output, *self._confinement.reports):
            self._take_from(descriptor)
        # A limit that ended the command itself is the reason, although the command ended first.
        if broken := self._confinement.broken_at_the_end():
            self._conclude(*broken)

    def _ran(self) -> float:
        """Seconds that count against the deadline: neither an engine's slowness nor the time it stood still does."""
        return time.monotonic() - self._started - self._frozen_seconds

    def _now(self) -> float:
        """Unix seconds."""
        return self._epoch + time.monotonic()

    def _finish(self) -> None:
        code = self._confinement.exit_code
        end, detail = self._end or self._how_it_ended(code)
        memory, cpu = self._confinement.memory_peak(), self._confinement.cpu_seconds()
        self._confinement.remove()
        status = {
            "run_id": self._launch.run_id,
            "end": end,
            "detail": detail,
            "exit_code": code if end == "exited" else None,
            "usage": {
                "wall_seconds": round(time.monotonic() - self._started, 3),
                "cpu_seconds": round(cpu, 3),
                "memory_peak_bytes": memory,
                "output_bytes": self._output_bytes,
            },
            "grades": self._launch.grades,
            "requested_at": round(self._requested_at, 6),
            "started_at": round(self._started_at, 6),
            "ended_at": round(self._now(), 6),
        }
        os.fsync(self._output)
        # A full disk must not turn a finished run into a lost one.
        while self._directory.path.is_dir():
            self._pulse.beat()
            try:
                run_directory.write(self._directory.status, status)
                return
            except OSError as error:
                log(f"the final status could not be written, trying again: {error}")
                time.sleep(1)

    def _how_it_ended(self, code: int | None) -> tuple[str, str]:
        if code is not None:
            return "exited", ""
        said = self._directory.output.read_bytes()[-TAIL:].decode(errors="replace").strip()
        return self._confinement.how_it_ended(said)
