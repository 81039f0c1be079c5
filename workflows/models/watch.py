"""Watching base after a merge."""

from enum import StrEnum

from pydantic import Field

from workflows.models.base import Model
from workflows.models.observation import Observation
from workflows.models.pull_request import RevertPreview, RevertResult
from workflows.models.task import Task


class WatchOrder(Model):
    """What starts the watch over a merge."""

    task: Task
    merge_commit: str
    seconds: int = Field(ge=0)
    """From now on."""
    by_policy: bool
    """Whether policy merged it: then policy takes it back, too."""


class LookOrder(Model):
    """Say whether base has turned red by a merge, as far as it is on record."""

    task: Task


class BaseState(Model):
    """What is known of base since a merge."""

    red: Observation | None = None
    """The first that turned bad with the merge or after it; None while none has."""
    good: tuple[str, ...] = ()
    """Names of those that are good there, at most 20."""
    outlook: RevertPreview | None = None
    """What taking the merge back would come to on base as it is; None from a worker that does not try it."""


class WatchOutcome(StrEnum):
    """How a watch ended."""

    QUIET = "quiet"
    """Nothing turned bad in its time."""
    RED = "red"
    """Something did, and people were left to decide."""
    REVERTED = "reverted"
    """Something did, and policy took the merge back."""
    STUCK = "stuck"
    """Something did, and policy could not take the merge back: people have to."""


class WatchResult(Model):
    """What came of it."""

    outcome: WatchOutcome
    red: Observation | None = None
    revert: RevertResult | None = None
    outlook: RevertPreview | None = None
    """What a revert would have come to when base was last looked at."""
