"""One sandbox by bubblewrap, as its supervisor keeps it: a child of the supervisor's, in a cgroup of its own.

Standard library only, since supervisors load it.
"""

import contextlib
import json
import os
import resource
import signal

from activities.sandbox import processes
from activities.sandbox.cgroups import Cgroup
from activities.sandbox.confinement import Broken
from activities.sandbox.enforcement import Enforcement
from activities.sandbox.launch import BubblewrapLaunch, Launch
from activities.sandbox.spawn import adopt_orphans, exit_code, reap, spawn
from activities.sandbox.thaw_guard import ThawGuard

CHUNK = 65536


class BubblewrapConfinement:
    """Implements confinement.Confinement."""

    def __init__(self, launch: Launch) -> None:
        self._launch, self._body = launch, BubblewrapLaunch.of(launch)
        self._cgroup = Cgroup.of(self._body.cgroup, launch.mark) if self._body.cgroup else None
        self._enforcement = Enforcement(launch, self._cgroup)
        self.output, self._out_end = os.pipe()
        self._said, self._said_end = os.pipe()
        self.reports = (self._said,)
        for descriptor in (self.output, self._said):
            os.set_blocking(descriptor, False)
        self._story = b""
        """What bubblewrap reports: JSON documents with the first process inside and its exit code."""
        self._bubblewrap = 0
        self._status: int | None = None
        self._guard: ThawGuard | None = None
        self.inside = 0
        self.started = False
        self.frozen = False

    def start(self) -> None:
        adopt_orphans()
        try:
            self._enforcement.prepare()
            if self._cgroup:
                self._cgroup.create(self._launch.ceilings)
            enter = self._cgroup.enter if self._cgroup else None
            self._bubblewrap = spawn(self._launch, self._body, self._out_end, self._said_end, enter)
        finally:
            os.close(self._out_end)
            os.close(self._said_end)

    def hear(self, descriptor: int) -> bool:
        while True:
            try:
                data = os.read(descriptor, CHUNK)
            except BlockingIOError:
                break
            if not data:
                return False
            self._story += data
        if not self.inside and (inside := self._told("child-pid")):
            self.inside = inside
            self.started = True
            self._enforcement.watch(inside)
        return True

    def _told(self, key: str) -> int | None:
        for line in self._story.splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                value = json.loads(line).get(key)
                if isinstance(value, int):
                    return value
        return None

    @property
    def exit_code(self) -> int | None:
        return self._told("exit-code")

    def runs(self) -> bool:
        return self._collect() and self._status is None

    def _collect(self) -> bool:
        """Reap the dead. Whether anything below this process is alive."""
        ended, alive = reap()
        if self._bubblewrap in ended:
            self._status = ended[self._bubblewrap]
        return alive

    def broken_limit(self) -> Broken | None:
        return self._enforcement.broken_limit()

    def broken_at_the_end(self) -> Broken | None:
        return self._enforcement.broken_in_kernel()

    def keep_frozen(self, wanted: bool) -> None:
        """Without a freezer, a process forked at the last moment is stopped by the next call."""
        self.frozen = wanted
        if wanted and self._guard is None and self._cgroup and self._cgroup.frozen_survive():
            self._guard = ThawGuard(self._cgroup)
        if self._cgroup and self._cgroup.freeze(wanted):
            if not wanted:
                self._dismiss_guard()
            return
        number = signal.SIGSTOP if wanted else signal.SIGCONT
        # The first process inside is bubblewrap's own and only reaps.
        for process in processes.descendants(self.inside) if self.inside else ():
            if wanted == (process.state != "T"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None

    def stands_still(self) -> bool:
        if self._cgroup and (still := self._cgroup.is_frozen()) is not None:
            return still
        return all(process.state in "TZ" for process in processes.descendants(self.inside)) if self.inside else False

    def kill(self) -> bool:
        """Until the kernel says that there is nothing left to wait for."""
        # Its own end would be waited for too; from here on every round thaws by itself.
        self._dismiss_guard()
        if not self._collect():
            return True
        # While the cgroup has something that dies, nobody need be looked for among all processes of the host.
        if self._cgroup and self._cgroup.kill() and self._cgroup.processes():
            return False
        # Stopped first, so that no shell lives to tell of the death of what it started.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes.descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        return False

    def memory_peak(self) -> int:
        return self._enforcement.memory_peak()

    def cpu_seconds(self) -> float:
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        return own.ru_utime + own.ru_stime

    def remove(self) -> None:
        if self._cgroup:
            self._cgroup.remove()

    def how_it_ended(self, said: str) -> tuple[str, str]:
        if self._status is not None and os.WIFSIGNALED(self._status):
            return "lost", f"Somebody outside killed the sandbox with signal {os.WTERMSIG(self._status)}."
        code = exit_code(self._status) if self._status is not None else None
        return "not-started", f"The sandbox could not be made (exit code {code}): {said}"
