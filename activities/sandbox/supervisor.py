"""Supervises one run, as a process of its own that outlives the worker: `python -m activities.sandbox.supervisor DIR`.

It starts the sandbox, keeps its output, enforces what the kernel does not, obeys the requests that are files in the
run's directory, and writes the final status when every process of the sandbox is dead, never before. It loads the
standard library only and has one thread, so that the kernel's parent-death signal means this very process.
"""

import contextlib
import fcntl
import os
import signal
import sys
from pathlib import Path

from activities.sandbox import run_directory
from activities.sandbox.confinement import Confinement
from activities.sandbox.launch import CONTAINER, Launch
from activities.sandbox.run_directory import RunDirectory
from activities.sandbox.spawn import end_with_parent
from activities.sandbox.supervision import Supervision

TAKEN = 3
"""Exit code when the run has, or had, another supervisor."""


def main() -> int:
    """Take the run, then leave the caller: it returns as soon as the run is recorded as this supervisor's."""
    directory = RunDirectory(Path(sys.argv[1]))
    # The kernel ends with its caller who waits here, also one that somebody has stopped; forked, the run's supervisor
    # is bound to nobody.
    end_with_parent()
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        answer = os.read(told, 1)
        return answer[0] if answer else 1
    os.close(told)
    os.setsid()
    os.chdir("/")
    lock = _take(directory)
    with contextlib.suppress(BrokenPipeError):  # Who waited here has died, and with it the one to tell.
        os.write(tell, bytes([0 if lock is not None else TAKEN]))
    os.close(tell)
    if lock is None:
        return TAKEN
    launch = run_directory.read(directory.launch)
    assert launch is not None  # The directory was renamed into place with this file in it.
    supervised = Launch.from_json(launch)
    Supervision(directory, supervised, _confinement(directory, supervised)).run(_termination())
    return 0


def _confinement(directory: RunDirectory, launch: Launch) -> Confinement:
    """Loaded here: a supervisor loads only what its own backend needs."""
    if launch.backend.startswith(CONTAINER):
        from activities.sandbox.container.confinement import ContainerConfinement  # noqa: PLC0415

        return ContainerConfinement(directory, launch)
    from activities.sandbox.bubblewrap_confinement import BubblewrapConfinement  # noqa: PLC0415

    return BubblewrapConfinement(launch)


def _take(directory: RunDirectory) -> int | None:
    """Become this run's one supervisor, for ever: a run whose supervisor died is lost, not started again."""
    lock = os.open(directory.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    if directory.supervisor.exists() or directory.status.exists():
        return None
    directory.identify(directory.supervisor, os.getpid())
    return lock


def _termination() -> int:
    """A descriptor that becomes readable when this process is asked to end. Also wakes for every dead child."""
    readable, writable = os.pipe()
    for end in (readable, writable):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return readable


if __name__ == "__main__":
    sys.exit(main())
