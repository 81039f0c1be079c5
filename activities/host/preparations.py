"""What this host prepared, in its own words: the steps that follow do not take it from their orders.

An order comes by Temporal, where others may write. Under which policy an agent runs and is judged, on which base and
with which environment, is what this host found when it prepared the workspace.
"""

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from activities.callers import only_called_by
from activities.decisions.refused import ActionRefused
from workflows.models.base import Model
from workflows.models.intent import task_workflow_id
from workflows.models.steps import Prepared
from workflows.models.task import Task

_DRAFT = ".draft"


class Preparation(Model):
    """What was prepared for which task."""

    task: Task
    prepared: Prepared


class Preparations:
    """One note for each task that has a place on this host."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory

    def keep(self, task: Task, prepared: Prepared) -> None:
        """Note what was prepared; it replaces the note of an earlier epoch."""
        path = self._path(task.id)
        draft = path.with_suffix(_DRAFT)
        draft.write_text(Preparation(task=task, prepared=prepared).model_dump_json())
        draft.rename(path)

    def confirm(self, task: Task, prepared: Prepared) -> None:
        """Raises ActionRefused unless the task's own workflow asks, and exactly this was prepared here for the task."""
        only_called_by(task_workflow_id(task.id))
        with suppress(FileNotFoundError, ValidationError):
            noted = Preparation.model_validate_json(self._path(task.id).read_bytes())
            if noted.model_dump() == Preparation(task=task, prepared=prepared).model_dump():
                return
        raise ActionRefused(f"refused: this host has not prepared task {task.id} like this")

    def read(self, task_id: str) -> Preparation | None:
        """The note of a task, or None if there is none. Raises ValidationError for one that can't be read."""
        try:
            return Preparation.model_validate_json(self._path(task_id).read_bytes())
        except FileNotFoundError:
            return None

    def forget(self, task_id: str) -> None:
        """Drop a note, and a draft of one whose process was killed. Idempotent."""
        for file in (self._path(task_id), self._path(task_id).with_suffix(_DRAFT)):
            file.unlink(missing_ok=True)

    def _path(self, task_id: str) -> Path:
        if not task_id.isalnum():
            raise ActionRefused(f"refused: {task_id!r} is no task id")
        return self._directory / f"{task_id}.json"
