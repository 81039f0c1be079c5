"""Turns to merge: where base moves faster than patches can be evaluated, merges onto it are taken one at a time."""

import hashlib

from workflows.models.base import Model
from workflows.models.task import Repository


class TurnOrder(Model):
    """A task's wish to merge onto a base without being overtaken."""

    repository: Repository
    base: str
    task_id: str

    @property
    def workflow_id(self) -> str:
        """The queue of this base."""
        return turns_workflow_id(self.repository, self.base)


class Turns(Model):
    """Who may merge now, and who waits."""

    waiting: tuple[str, ...] = ()
    """Task ids, the first one's turn it is."""


def turns_workflow_id(repository: Repository, base: str) -> str:
    """The Temporal workflow id of a base's queue: short, whatever the address and the branch are called."""
    digest = hashlib.sha256(f"{repository.url}\n{base}".encode()).hexdigest()[:16]
    return f"merge-turns/{digest}"
