"""Intents: what was asked and where, with the identifiers that are derived from it."""

import base64
import hashlib

from pydantic import Field

from workflows.models.base import Model
from workflows.models.person import Person

_ID_LENGTH = 10


class Intent(Model):
    """One thing that was asked for. It has one task, one branch, at most one open PR and one merge."""

    key: str = Field(min_length=1, max_length=400)
    """Such as `linear:ENG-123`, `github:acme/shop#7` or `cli:01J…`; equal keys are one intent."""
    aliases: tuple[str, ...] = ()
    """Weaker keys of the same intent, which lead to this one."""
    requester: Person
    link: str = ""
    """Where it was asked, if that has an address."""
    attempt: int = Field(default=1, ge=1)
    """Asking again after the intent closed is explicit and makes the next attempt."""


def task_id(key: str, attempt: int = 1) -> str:
    """The task's id: short enough to type, the same for the same intent and attempt.

    50 bits of a hash: at a million tasks the chance of any collision is below one in a thousand, and the
    intent index refuses a second key for a taken id.
    """
    digest = hashlib.sha256(f"{key}\n{attempt}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:_ID_LENGTH]


def revert_branch(task: str) -> str:
    """The branch on which a person resolves the conflicts of a task's revert; no task has such an id."""
    return f"journeyman/revert-{task}"


def task_workflow_id(task: str) -> str:
    """The Temporal workflow id of a task."""
    return f"task/{task}"


def revert_workflow_id(task: str) -> str:
    """The Temporal workflow id of a task's revert; one per task, so that asking twice reverts once."""
    return f"revert/{task}"


def watch_workflow_id(task: str) -> str:
    """The Temporal workflow id of the watch over a task's merge."""
    return f"watch/{task}"
