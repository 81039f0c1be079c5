"""How often the sandbox of a run was lost: only that counts against a run, not how often its worker was restarted.

A run that has come as far as another checkpoint since its last loss is none that can't be carried out, however often
its machine kills it: such losses begin to count anew. Only so often, since an agent can have itself killed.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

from activities.sandbox.contract import RunStatus
from workflows.models.run import RunEnd

MOST = 3
"""Sandboxes of one run that may be lost, without a checkpoint in between, before the run counts as ended by it."""
MOST_IN_ALL = 10
"""The same, whatever it achieves in between."""
_KILLED = 137
"""Exit code of what SIGKILL ended, as shells tell it."""
_WORTH_A_RETRY = {RunEnd.NOT_STARTED, RunEnd.LOST, RunEnd.LEASE_LAPSED}


class Losses:
    """On disk, so that a worker that restarts goes on counting."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory

    def may_begin_again(self, run_id: str, checkpoint: int) -> bool:
        """Count one more, and say whether the run is to be begun again. `checkpoint`: number of its last one, or 0."""
        file = self._directory / run_id
        in_a_row, in_all, before = _counted(file)
        in_a_row, in_all = (1 if checkpoint > before else in_a_row + 1), in_all + 1
        draft = file.with_name(f".{run_id}.{os.getpid()}")
        draft.write_text(json.dumps([in_a_row, in_all, checkpoint]))
        draft.rename(file)
        return in_a_row < MOST and in_all < MOST_IN_ALL

    def of(self, run_id: str) -> int:
        """How many there were of one run."""
        return _counted(self._directory / run_id)[1]

    def forget(self, prefix: str) -> None:
        """Of every run whose id begins so, with drafts of a process that was killed."""
        for file in self._directory.iterdir():
            if file.name.removeprefix(".").startswith(prefix):
                file.unlink(missing_ok=True)


def _counted(file: Path) -> tuple[int, int, int]:
    """In a row, in all, and the checkpoint that it had come to at the last of them."""
    if not file.exists():
        return 0, 0, 0
    found = json.loads(file.read_text())
    if isinstance(found, int):  # Written by a version that counted all of them as one row.
        return found, found, 0
    in_a_row, in_all, checkpoint = found
    return in_a_row, in_all, checkpoint


def is_loss(status: RunStatus, succeeded: Callable[[], bool]) -> bool:
    """Whether the sandbox ended for no reason of the agent's. What had `succeeded` before it was killed is none.

    A host that runs out of memory kills the agent's own process and leaves the sandbox to end by itself; so does a
    person with the wrong process id.
    """
    if status.end is RunEnd.EXITED and status.exit_code == _KILLED:
        return not succeeded()
    return status.end in _WORTH_A_RETRY
