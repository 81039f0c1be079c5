"""What is known of a task when it is shown in Slack."""

from dataclasses import dataclass
from datetime import datetime

from workflows.models.pull_request import RevertResult
from workflows.models.status import Outcome, TaskStatus
from workflows.models.watch import WatchResult


@dataclass(frozen=True)
class TaskSeen:
    """All of it in terms of workflows' models, so that what is shown is a pure function of it."""

    status: TaskStatus
    reverts: tuple[RevertResult, ...] = ()
    reverted_by: str = ""
    """Who took it back: a person's id, or `policy`."""
    watch: WatchResult | None = None
    """What came of watching base after the merge."""
    temporal_ui: str = ""
    trace_ui: str = ""
    halted: str = ""
    """Why its work stands still, if it does."""
    can_revert: bool = True
    """Whether the button that takes its merge back is still shown."""

    @property
    def since(self) -> datetime | None:
        """Since when it is at its stage."""
        return self.status.spans[-1].started if self.status.spans else None

    @property
    def reverted(self) -> RevertResult | None:
        """The revert by which base is without it again."""
        return next((revert for revert in self.reverts if revert.outcome.is_back), None)

    @property
    def merged(self) -> bool:
        """Whether its merge is on base, as far as is known."""
        return self.status.outcome is Outcome.MERGED and self.reverted is None

    @property
    def head(self) -> str:
        """The commit that is shown."""
        return self.status.patch.head if self.status.patch is not None else ""

    @property
    def evidence_hash(self) -> str:
        """Of the evidence that is shown."""
        return self.status.evaluation.evidence_hash if self.status.evaluation is not None else ""
