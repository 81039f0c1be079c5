"""Which processes belong to the world, told by its own directory in their arguments: nobody else's are ever touched."""

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_AGENTS = re.compile(r"[a-z0-9]{10}-\d+-\d+")
_PROGRAM = "/opt/agent/agent.py"


@dataclass(frozen=True)
class Supervised:
    """One run that goes on, as the processes that carry it."""

    host: str
    run_id: str
    supervisor: int
    inside: tuple[int, ...]
    """Everything below the supervisor, deepest last."""
    agents: tuple[int, ...] = ()
    """The agent's own processes among them."""

    @property
    def task(self) -> str:
        """Whose run it is; the sandboxes of checks and exports are named after their task too."""
        return self.run_id.removeprefix("export-").split("-")[0]

    @property
    def is_agent(self) -> bool:
        """Whether it is the agent's own, not one that judges or exports."""
        return _AGENTS.fullmatch(self.run_id) is not None


def ours(state: Path) -> Iterator[psutil.Process]:
    """Every process with the world's directory in its arguments."""
    mark = f"{state}/"
    for process in psutil.process_iter(["cmdline"]):
        if any(mark in word for word in process.info["cmdline"] or []):
            yield process


def supervised(state: Path) -> list[Supervised]:
    """Every run with a supervisor, by name."""
    found = []
    for process in ours(state):
        words = process.info["cmdline"] or []
        if "activities.sandbox.supervisor" not in words:
            continue
        with contextlib.suppress(psutil.Error):
            run = Path(words[-1])
            below = process.children(recursive=True)
            # The others have more words: they start it.
            agents = tuple(child.pid for child in below if child.cmdline() == ["python3", _PROGRAM])
            inside = tuple(child.pid for child in below)
            found.append(Supervised(run.parent.parent.name, run.name, process.pid, inside, agents))
    return sorted(found, key=lambda one: (one.run_id, one.supervisor))


def send(pid: int, number: signal.Signals) -> bool:
    """Whether it was still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
