"""Drills: reverts that are tried before they are needed, in a repository that is there for it."""

from datetime import datetime

from pydantic import Field

from workflows.models.base import Model
from workflows.models.patch import Patch
from workflows.models.pull_request import PullRequest, RevertOutcome, RevertResult
from workflows.models.task import Task

DRILL = "drill"
"""Who asks for a drill's merge and revert, and of which type its task is: no kind that can earn or lose trust."""
DRILL_WORKFLOW_ID = "drill"
"""One at a time; those that a schedule starts have the time behind it."""
PROMISED_SECONDS = 120.0
"""Within this time a merge is taken back."""


class DrillOrder(Model):
    """What starts a drill. Where it happens the platform's policy file alone says."""

    asked_by: str = Field(default="schedule", max_length=100)
    """A person's id, or `schedule`."""


class CanaryOrder(Model):
    """Propose a change of the canary repository."""

    drill_id: str = Field(pattern=r"^drill-[a-z2-7]{10}$")
    began: datetime


class CanaryProposal(Model):
    """The change as it was proposed, or why there is none."""

    refusal: str = ""
    task: Task | None = None
    patch: Patch | None = None
    pull_request: PullRequest | None = None


class DrillResult(Model):
    """What came of a drill."""

    drill_id: str
    repository: str = ""
    """Address of the canary."""
    asked_by: str
    began: datetime
    merge_commit: str = ""
    revert: RevertResult | None = None
    """None where there was nothing to take back."""
    detail: str = ""
    """Why it did not come to a revert."""

    @property
    def restored(self) -> bool:
        """Whether base is as it was."""
        return self.revert is not None and self.revert.outcome is RevertOutcome.REVERTED

    @property
    def kept(self) -> bool:
        """Whether that took no longer than is promised."""
        return self.restored and self.revert is not None and self.revert.seconds <= PROMISED_SECONDS

    @property
    def told(self) -> str:
        """In words."""
        if self.revert is None:
            return f"nothing was taken back: {self.detail}"
        if not self.restored:
            return f"{self.merge_commit[:12]} was not taken back: {self.revert.outcome} {self.revert.detail}".rstrip()
        return f"base was restored {self.revert.seconds:.1f} s after it was asked for"
