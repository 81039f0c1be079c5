"""Ends a frozen sandbox whose supervisor was killed, when nobody else may be there to do it.

Version 1 of cgroups lets no frozen process die: what the kernel sends it at its supervisor's death waits until it is
thawed. So while a sandbox stands still, a child of the supervisor's waits for the end of a pipe that only the
supervisor holds open, and then kills what is left. Standard library only, since supervisors load it.
"""

import os
import signal
import time

from activities.sandbox.cgroups import Cgroup

_SECONDS = 10.0
"""How long it tries; after that, a worker that starts clears up."""
_DONE = b"."


class ThawGuard:
    """One for each time that a sandbox stands still. Costs a fork, and a process for as long as that lasts."""

    def __init__(self, cgroup: Cgroup) -> None:
        reading, self._writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _wait(cgroup, reading, self._writing)
            finally:
                os._exit(0)
        os.close(reading)

    def dismiss(self) -> None:
        """The supervisor has seen to it itself."""
        os.write(self._writing, _DONE)
        os.close(self._writing)


def _wait(cgroup: Cgroup, reading: int, writing: int) -> None:
    os.close(writing)
    # A signal to the supervisor's group, such as the one with which somebody asks it to end, is not meant for this.
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    # Its wakeup descriptor is the supervisor's own.
    signal.set_wakeup_fd(-1)
    if os.read(reading, 1) == _DONE:
        return
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        cgroup.kill()
        if not cgroup.processes() and cgroup.remove(0):
            return
        time.sleep(0.01)
