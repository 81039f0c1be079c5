"""Pull requests, merges and reverts, in terms every forge can fulfil."""

from datetime import datetime
from enum import StrEnum

from workflows.models.base import Model


class PullRequest(Model):
    """The one PR of a task."""

    number: int
    url: str
    """Where a person looks at it; for the local forge a command to type."""
    head: str
    base: str
    title: str = ""


class MergeOutcome(StrEnum):
    """What came of trying to merge."""

    MERGED = "merged"
    BASE_MOVED = "base-moved"
    """Base is no longer what was evaluated; evaluate again."""
    ENQUEUED = "enqueued"
    """The forge's own merge queue has it, and merges it when its turn comes there."""
    QUEUED = "queued"
    """Merges of this base are taken one at a time now, and it is another task's turn."""
    REFUSED = "refused"


class MergeResult(Model):
    """A merge, or why there is none."""

    outcome: MergeOutcome
    commit: str = ""
    """The merge commit on base."""
    base_commit: str = ""
    """What base is now."""
    detail: str = ""


class RevertOutcome(StrEnum):
    """What came of trying to revert."""

    REVERTED = "reverted"
    ALREADY_REVERTED = "already-reverted"
    CONFLICT = "conflict"
    PROPOSED = "proposed"
    """Base is protected: the revert is a pull request that waits for a person."""
    REFUSED = "refused"

    @property
    def is_back(self) -> bool:
        """Whether base is without the merge, by whichever try: the answer to the one that did it may have been lost."""
        return self in {RevertOutcome.REVERTED, RevertOutcome.ALREADY_REVERTED}


class RevertOutlook(StrEnum):
    """What a revert would come to on base as it is now."""

    CLEAN = "clean"
    CONFLICT = "conflict"
    TAKEN_BACK = "taken-back"
    """It is taken back already."""
    GONE = "gone"
    """The merge is not on base any more, or there is no base."""
    UNKNOWN = "unknown"
    """It could not be tried; the detail says why."""


class RevertPreview(Model):
    """A revert as it was tried on a copy of the repository."""

    outlook: RevertOutlook
    base_commit: str = ""
    """What base was then."""
    tried_at: datetime | None = None
    """None in what was recorded before it was kept."""
    detail: str = ""
    conflicts: tuple[str, ...] = ()
    """Paths in conflict."""
    commits_in_the_way: tuple[str, ...] = ()
    """Later commits that touched those paths, newest first, as `sha author: subject`."""

    @property
    def was_tried(self) -> bool:
        """Whether there was a base to try it on, and it came to something."""
        return bool(self.base_commit) and self.outlook is not RevertOutlook.UNKNOWN


class RevertResult(Model):
    """A revert, or why there is none."""

    outcome: RevertOutcome
    commit: str = ""
    """The commit on base that takes the merge back."""
    detail: str = ""
    conflicts: tuple[str, ...] = ()
    """Paths in conflict."""
    commits_in_the_way: tuple[str, ...] = ()
    """Later commits that touched those paths, newest first, as `sha author: subject`."""
    pull_request: str = ""
    """Where the revert waits for a person, or waited."""
    branch: str = ""
    """Of a conflict: the branch of that pull request, with the conflict's markers."""
    told: tuple[str, ...] = ()
    """Of a conflict: ids of the persons it is for: who asked for the task, who approved it, who may review there."""
    seconds: float = 0
    """From the decision to base restored."""


class PullRequestState(Model):
    """A pull request as the forge has it now, whoever changed it."""

    is_open: bool
    head: str = ""
    """The commit it brings."""
    base: str = ""
    """The branch it would be merged into."""
    merge_commit: str = ""
    """On base, if it was merged."""
    by: str = ""
    """The account that merged or closed it, if the forge tells."""
