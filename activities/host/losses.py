"""How often the sandbox of a run was lost: only that counts against a run, not how often its worker was restarted."""

import os
from collections.abc import Callable
from pathlib import Path

from activities.sandbox.contract import RunStatus
from workflows.models.run import RunEnd

MOST = 3
"""Sandboxes of one run that may be lost before the run counts as ended by it."""
_KILLED = 137
"""Exit code of what SIGKILL ended, as shells tell it."""
_WORTH_A_RETRY = {RunEnd.NOT_STARTED, RunEnd.LOST, RunEnd.LEASE_LAPSED}


class Losses:
    """On disk, so that a worker that restarts goes on counting."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory

    def may_begin_again(self, run_id: str) -> bool:
        """Count one more, and say whether the run is to be begun again."""
        file = self._directory / run_id
        counted = int(file.read_text()) + 1 if file.exists() else 1
        draft = file.with_name(f".{run_id}.{os.getpid()}")
        draft.write_text(str(counted))
        draft.rename(file)
        return counted < MOST

    def forget(self, prefix: str) -> None:
        """Of every run whose id begins so."""
        for file in self._directory.iterdir():
            if file.name.startswith(prefix):
                file.unlink(missing_ok=True)


def is_loss(status: RunStatus, succeeded: Callable[[], bool]) -> bool:
    """Whether the sandbox ended for no reason of the agent's. What had `succeeded` before it was killed is none.

    A host that runs out of memory kills the agent's own process and leaves the sandbox to end by itself; so does a
    person with the wrong process id.
    """
    if status.end is RunEnd.EXITED and status.exit_code == _KILLED:
        return not succeeded()
    return status.end in _WORTH_A_RETRY
