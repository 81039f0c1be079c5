"""A process that outlives the worker that started it; any worker finds it again by what is on record."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from activities.egress.places import GatewayError, write_aside
from activities.sandbox import processes

START_SECONDS = 20.0
_BUSY_SECONDS = 15.0
"""Envoy takes 3 to 5 seconds for the routes of 20,000 files, on two busy cores."""
_MOST_FILES = 65_536


class Daemon:
    """Starts, adopts and stops one process. Callers hold the gateway's lock."""

    def __init__(self, name: str, record: Path, log: Path, answers: Callable[[], bool]) -> None:
        """`record` says which process it is, `answers` whether it serves; `name` is for messages."""
        self._name = name
        self._record = record
        self._log = log
        self._answers = answers
        self._child: subprocess.Popen[bytes] | None = None

    def is_live(self, terms: str) -> bool:
        """Whether the process on record lives, was started on these terms, and answers.

        One that lives and does not answer may be busy with what it was just told: it is waited for, since to replace it
        would cut what goes through it.
        """
        state = self._state()
        if state is None or state.get("terms") != terms:
            return False
        return wait_for(lambda: not self._alive(state) or self._answers(), _BUSY_SECONDS) and self._alive(state)

    def start(self, command: Sequence[str], terms: str, identity: Mapping[str, Any]) -> None:
        """Start it detached, in the directory of its log, and wait until it answers.

        `terms`: all that it was told, so that one that was told something else is replaced. `identity`: arguments of
        Popen for its user. Raises GatewayError with the end of its log.
        """
        self.stop()
        if self._log.exists():
            self._log.replace(self._log.with_name(f"{self._log.stem}.previous.log"))
        # They may hold what sandboxes sent.
        with open(self._log, "wb", opener=_closed_to_others) as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._log.parent,
                env={},
                umask=0o077,
                start_new_session=True,
                **identity,
            )
        self._limit(self._child.pid)
        process = processes.read(self._child.pid)
        state = {
            "pid": self._child.pid,
            "started": process.started if process else 0,
            "boot": processes.boot_id(),
            "terms": terms,
        }
        write_aside(self._record, json.dumps(state))
        if not wait_for(lambda: self._child_ended() or self.is_live(terms), START_SECONDS) or self._child_ended():
            last = self._log.read_text(errors="replace")[-2000:].strip() or "it wrote nothing"
            self.stop()
            raise GatewayError(f"the {self._name} did not start. The end of {self._log}:\n{last}")

    def stop(self) -> None:
        """End the process that is on record, and no other."""
        state = self._state()
        if state is not None and self._alive(state):
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGTERM)
            if not wait_for(lambda: not self._alive(state), 5):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(state["pid"], signal.SIGKILL)
                wait_for(lambda: not self._alive(state), 5)
        self._child_ended()
        self._record.unlink(missing_ok=True)

    def _child_ended(self) -> bool:
        # Asking reaps it too, if it was this process that started it.
        return self._child is not None and self._child.poll() is not None

    def _alive(self, state: dict[str, object]) -> bool:
        self._child_ended()
        pid, started = state.get("pid"), state.get("started")
        if not isinstance(pid, int) or not isinstance(started, int) or state.get("boot") != processes.boot_id():
            return False
        return processes.is_alive(pid, started)

    def _state(self) -> dict[str, Any] | None:
        try:
            state = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def _limit(self, pid: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            most = most_files()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            # A dump would hold what passed through.
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def most_files() -> int:
    """How many files a process may open that is started here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)


def _closed_to_others(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds; False if it never did."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True
