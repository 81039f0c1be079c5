"""One sandbox as a container, as its supervisor keeps it.

The engine makes it, freezes it and removes it. What it says and how it ends comes from its init, by the run's own
directory; if this process dies, that init ends by itself and the kernel ends the rest with it.
"""

import contextlib
import os
import re
import signal
import threading
import time

from activities.sandbox import cgroups, processes
from activities.sandbox.cgroups import Cgroup
from activities.sandbox.confinement import Broken
from activities.sandbox.contained import PLACE
from activities.sandbox.container.engine import PLACE as PLACE_LABEL
from activities.sandbox.container.engine import Engine, State
from activities.sandbox.container.launch import ContainerLaunch, bind
from activities.sandbox.container.place import Place
from activities.sandbox.enforcement import Enforcement
from activities.sandbox.launch import Launch
from activities.sandbox.run_directory import RunDirectory
from activities.sandbox.spawn import log

ETC = ("passwd", "group")
CALL_SECONDS = 8
"""Until the engine is asked again. Three calls may follow each other before this process shows that it is at work."""
MAKE_SECONDS = 100
LOOK_SECONDS = 0.2
"""Between two questions to the engine, where nothing else tells what happens."""
_EXIT = re.compile(rb"^exit (\d{1,3})$", re.MULTILINE)


class ContainerConfinement:
    """Implements confinement.Confinement."""

    def __init__(self, directory: RunDirectory, launch: Launch) -> None:
        self._launch, self._body = launch, ContainerLaunch.of(launch)
        self._enforcement = Enforcement(launch)
        self._cgroup: Cgroup | None = None
        self._place = Place(directory.path / "place", launch.uid, self._body.files)
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        self.output = self._place.output
        self.reports = (self._place.report, self._woken)
        self._engine = Engine(self._body.engine, CALL_SECONDS)
        self._container = ""
        self._making = threading.Thread(target=self._make, daemon=True)
        self._failed = ""
        self._story = b""
        self._last: State | None = None
        self._last_broken: Broken | None = None
        self._looked = 0.0
        self._gone = False
        self._cpu = 0.0
        self._stands_still = False
        self._signals = False
        self.started = False
        self.inside = 0
        self.frozen = False

    def start(self) -> None:
        if os.geteuid() == 0 and not self._launch.uid:
            raise PermissionError("refused to run a container with root's rights: no uid to drop to was given")
        self._enforcement.prepare()
        # The engine takes as long as it takes; meanwhile somebody has to show that this process is at work.
        self._making.start()

    def _make(self) -> None:
        try:
            engine = Engine(self._body.engine, MAKE_SECONDS)
            host = self._body.create["HostConfig"]
            own = [bind(self._place.path, PLACE), *(bind(self._place.path / name, f"/etc/{name}") for name in ETC)]
            labels = {**self._body.create["Labels"], PLACE_LABEL: str(self._place.path)}
            create = {
                **self._body.create,
                "Labels": labels,
                "HostConfig": {**host, "Mounts": [*host["Mounts"], *own]},
            }
            self._container = engine.create(create)
            engine.start(self._container)
        except Exception as error:  # whatever it is, the run has not begun, and this says why
            self._failed = str(error) or repr(error)
        finally:
            os.write(self._wake, b".")

    def hear(self, descriptor: int) -> bool:
        with contextlib.suppress(BlockingIOError):
            data = os.read(descriptor, 4096)
            if descriptor == self._place.report:
                self._story += data
                # At its end the init is dead: at once, or after it has said how the command ended.
                self._gone = self._gone or not data
                self._begin()
                return bool(data)
        return True

    def _begin(self) -> None:
        """The init is ready: look at it before anything that is not ours runs in it, then let it go on."""
        if self.started or not self._story.startswith(b"ready\n"):
            return
        self.started = True
        self._place.take_names_away()
        with contextlib.suppress(OSError):
            self._find(self._state().pid)
        self._place.let_go_on()

    def _find(self, pid: int) -> None:
        """Measure from this host, if the engine's process is one of it: an id alone proves nothing."""
        if pid and processes.has_argument(pid, self._launch.mark):
            self.inside = pid
            self._cgroup = cgroups.of_process(pid)
            self._enforcement.watch(pid)
            self._enforcement.trust(self._cgroup, self._body.held)

    def _state(self) -> State:
        self._last = self._engine.state(self._container)
        return self._last

    @property
    def exit_code(self) -> int | None:
        """By the init, which no other process inside can speak for."""
        found = _EXIT.search(self._story)
        return int(found[1]) if found else None

    def runs(self) -> bool:
        if self._failed or self._gone or self.exit_code is not None:
            return False
        if not self.started and not self._making.is_alive() and self._is_time():
            # It has no voice yet: if its program could not be started, only the engine knows.
            with contextlib.suppress(OSError):
                return self._state().alive
        return True

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        return True

    def broken_limit(self) -> Broken | None:
        self._count()
        return self._enforcement.broken_limit()

    def _count(self) -> None:
        if self._cgroup:
            self._cpu = max(self._cpu, self._cgroup.cpu_seconds())
            self._enforcement.memory_peak()

    def broken_at_the_end(self) -> Broken | None:
        """What was seen before the container was removed, and what the engine was told by the kernel."""
        if self._last_broken:
            return self._last_broken
        if "memory" in self._body.held and self._last and self._last.ran_out_of_memory:
            return self._enforcement.memory_broken()
        return None

    def keep_frozen(self, wanted: bool) -> None:
        """By the engine; where it has no freezer, process by process."""
        self.frozen = wanted
        if not self.started:
            return
        if wanted != self._stands_still:
            try:
                self._engine.freeze(self._container, wanted)
            except OSError as error:
                log(f"the engine can't freeze or thaw, so signals are sent: {error}")
                # For good: what a signal has stopped, no engine lets go on.
                self._signals = True
            self._stands_still = wanted
        if self._signals:
            self._signal(wanted)

    def _signal(self, stop: bool) -> None:
        """Every time it is asked for: what is forked at the last moment is stopped by the next call."""
        for process in processes.descendants(self.inside) if self.inside else ():
            if stop == (process.state != "T"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGSTOP if stop else signal.SIGCONT)

    def stands_still(self) -> bool:
        if not self._signals:
            # The engine answers when it is done.
            return self._stands_still
        return all(process.state in "TZ" for process in processes.descendants(self.inside)) if self.inside else False

    def kill(self) -> bool:
        """Look a last time, let the init end everything, and have the engine remove the container."""
        if self._making.is_alive():
            return False  # What is being made can't be removed yet.
        if self._last_broken is None:
            self._count()
            self._last_broken = self._enforcement.broken_in_kernel()
        self._place.let_go()
        try:
            if self._container and (self.exit_code is None or self._cgroup is None):
                with contextlib.suppress(OSError):
                    self._state()
            if self._container and not self.started:
                self._failed = self._failed or self._engine.said(self._container)
            # One whose making was given up may be there all the same.
            for container in [self._container] if self._container else self._engine.marked(self._launch.mark):
                self._engine.remove(container)
            return True
        except OSError as error:
            log(f"the container can't be removed yet: {error}")
            time.sleep(LOOK_SECONDS)
            return False

    def memory_peak(self) -> int:
        return self._enforcement.memory_peak()

    def cpu_seconds(self) -> float:
        return self._cpu

    def remove(self) -> None:
        for path in (*self._place.path.iterdir(), self._place.path):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()

    def how_it_ended(self, said: str) -> tuple[str, str]:
        if self.started and self._failed:
            return "lost", f"The engine did not finish to start the container: {self._failed}"
        if self.started:
            return "lost", "Somebody outside ended the container, for example with `docker kill` (signal 9)."
        why = self._failed or (self._last.told if self._last else "") or said
        return "not-started", f"The sandbox could not be made: {why or 'its first program ended without a word'}"
