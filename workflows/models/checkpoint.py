"""Checkpoints: how far a run had come when it was last looked at, so that another host can go on from there."""

from datetime import datetime

from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model
from workflows.models.patch import Patch
from workflows.models.usage import Metered


class Checkpoint(Model):
    """A run's work tree and the session of its command line, taken in one moment in which all of it stood still."""

    run_id: str
    epoch: int
    """Of the placement that took it: one of a placement that was given up since does not count."""
    number: int
    """From 1 on within the run."""
    base_commit: str
    patch: Patch | None = None
    """The work tree; None while nothing is changed."""
    session: ArtifactRef | None = None
    """A tar of what the command line keeps of its conversation; None if it keeps none, or too much."""
    session_id: str = ""
    """By which the command line finds that conversation again, in its own words; untrusted."""
    handover: ArtifactRef | None = None
    """What it had said and done, for an agent that begins anew."""
    tool_calls: int = 0
    metered: Metered = Metered()
    """What the run had used."""
    taken_at: datetime
    paused_ms: float = 0
    """How long the run stood still for it."""
