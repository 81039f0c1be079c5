"""The supervisor's loop over one sandbox, from its start to its final status."""

import contextlib
import json
import os
import resource
import select
import signal
import time

from activities.sandbox import processes, run_directory
from activities.sandbox.arrivals import ArrivalLog
from activities.sandbox.enforcement import Enforcement
from activities.sandbox.launch import Launch
from activities.sandbox.lease import Lease
from activities.sandbox.pulse import Pulse
from activities.sandbox.run_directory import RunDirectory
from activities.sandbox.spawn import adopt_orphans, exit_code, log, reap, spawn

TICK = 0.1
"""Seconds between two looks at requests, lease and limits."""
CHUNK = 65536
BURST = 4 * 1024 * 1024
"""Output taken at a time, before the limits are looked at again."""
TAIL = 2000
"""Bytes of output that explain why a sandbox could not be made."""


class Supervision:
    """One sandbox and everything known about it."""

    def __init__(self, directory: RunDirectory, launch: Launch) -> None:
        self._directory, self._launch = directory, launch
        self._enforcement = Enforcement(launch)
        self._lease = Lease(launch)
        self._pulse = Pulse(directory.pulse)
        self._end: tuple[str, str] | None = None
        self._started = self._ticked = time.monotonic()
        self._frozen_seconds = 0.0
        # Moments are told by one clock that never jumps, read once against the wall clock.
        self._epoch = time.time() - self._started
        self._requested_at = directory.launch.stat().st_mtime
        self._started_at = 0.0
        self._arrivals = ArrivalLog(directory.arrivals)
        self._output = os.open(directory.output, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._output_bytes = os.fstat(self._output).st_size
        self._out, self._out_end = os.pipe()
        self._said, self._said_end = os.pipe()
        self._story = b""
        """What bubblewrap reports: JSON documents with the first process inside and its exit code."""
        self._bubblewrap = 0
        self._inside = 0
        self._bubblewrap_status: int | None = None

    def run(self, termination: int) -> None:
        """Start the sandbox, stay with it until nothing of it is left, and write what became of it."""
        adopt_orphans()
        self._start()
        for descriptor in (self._out, self._said):
            os.set_blocking(descriptor, False)
        poll = select.poll()
        for descriptor in (self._out, self._said, termination):
            poll.register(descriptor, select.POLLIN)
        alive = True
        while alive and self._bubblewrap_status is None and self._end is None:
            for descriptor, _ in poll.poll(self._wait_milliseconds()):
                if descriptor == termination:
                    self._terminated(os.read(termination, 64))
                elif not self._take_from(descriptor):
                    poll.unregister(descriptor)
            alive = self._collect()
            self._look()
        self._kill()
        self._finish()

    def _start(self) -> None:
        try:
            self._enforcement.prepare()
            enter = self._enforcement.enter if self._enforcement.has_cgroup else None
            self._bubblewrap = spawn(self._launch, self._out_end, self._said_end, enter)
        except OSError as error:
            self._end = ("not-started", f"The sandbox could not be made: {error}")
        os.close(self._out_end)
        os.close(self._said_end)

    def _wait_milliseconds(self) -> int:
        return max(0, int((self._ticked + TICK - time.monotonic()) * 1000))

    def _terminated(self, signals: bytes) -> None:
        if {signal.SIGTERM, signal.SIGINT} & set(signals):
            reason = self._requested_stop() or "The supervisor was asked to end."
            self._conclude("stopped", reason)

    def _conclude(self, end: str, detail: str) -> None:
        """Decide why the run ends; the first reason stands."""
        if self._end is None:
            self._end = (end, detail)

    def _collect(self) -> bool:
        ended, alive = reap()
        if self._bubblewrap in ended:
            self._bubblewrap_status = ended[self._bubblewrap]
        return alive

    def _take_from(self, descriptor: int) -> bool:
        """Read what is there. False at the end of the stream."""
        taken = 0
        while taken < BURST:
            try:
                data = os.read(descriptor, CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            taken += len(data)
            if descriptor == self._said:
                self._hear(data)
            else:
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

    def _hear(self, data: bytes) -> None:
        self._story += data
        inside = self._told("child-pid")
        if inside and not self._inside:
            self._inside = inside
            self._started_at = self._now()
            self._enforcement.watch(inside)
            self._directory.identify(self._directory.sandbox, inside)

    def _told(self, key: str) -> int | None:
        for line in self._story.splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                value = json.loads(line).get(key)
                if isinstance(value, int):
                    return value
        return None

    def _look(self) -> None:
        """Once a tick: requests, lease, deadline and limits."""
        self._pulse.beat()
        now = time.monotonic()
        passed = now - self._ticked
        if passed < TICK or self._bubblewrap_status is not None:
            return
        self._ticked = now
        if not self._directory.path.is_dir():
            self._conclude("stopped", "The run's directory vanished.")
            return
        reason = self._requested_stop()
        if reason is not None:
            self._conclude("stopped", reason)
        frozen = self._enforcement.frozen
        if frozen:
            self._frozen_seconds += passed
        elif now - self._started - self._frozen_seconds > self._launch.ceilings.wall_seconds:
            self._conclude("deadline", f"It ran longer than {self._launch.ceilings.wall_seconds:g} seconds.")
        if self._lease.lapsed():
            self._conclude("lease-lapsed", self._lease.explanation())
        wanted = self._lease.overdue() or self._directory.freeze.exists()
        if wanted or frozen:
            self._enforcement.keep_frozen(wanted)
        self._measure()

    def _measure(self) -> None:
        broken = self._enforcement.broken_limit()
        if broken:
            self._conclude(*broken)

    def _requested_stop(self) -> str | None:
        try:
            return self._directory.stop.read_text(errors="replace")
        except OSError:
            return None

    def _kill(self) -> None:
        """Kill everything below this process until the kernel says that there is nothing left to wait for."""
        while self._collect():
            self._pulse.beat()
            self._enforcement.kill()
            for process in processes.descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.002)
        for descriptor in (self._out, self._said):
            self._take_from(descriptor)
        self._measure_after_death()

    def _measure_after_death(self) -> None:
        """A limit that ended the command itself is the reason, although the command ended first."""
        broken = self._enforcement.broken_in_kernel()
        if broken:
            self._conclude(*broken)

    def _now(self) -> float:
        """Unix seconds."""
        return self._epoch + time.monotonic()

    def _finish(self) -> None:
        code = self._told("exit-code")
        end, detail = self._end or self._how_it_ended(code)
        memory = self._enforcement.memory_peak()
        self._enforcement.remove()
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        status = {
            "run_id": self._launch.run_id,
            "end": end,
            "detail": detail,
            "exit_code": code if end == "exited" else None,
            "usage": {
                "wall_seconds": round(time.monotonic() - self._started, 3),
                "cpu_seconds": round(own.ru_utime + own.ru_stime, 3),
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
        status = self._bubblewrap_status
        if status is not None and os.WIFSIGNALED(status):
            return "lost", f"Somebody outside killed the sandbox with signal {os.WTERMSIG(status)}."
        said = self._directory.output.read_bytes()[-TAIL:].decode(errors="replace").strip()
        code = exit_code(status) if status is not None else None
        return "not-started", f"The sandbox could not be made (exit code {code}): {said}"
