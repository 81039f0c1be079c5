"""What the gateway is asked and what it answers, as JSON over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from activities.archive.contract import Tombstone
from activities.decisions.trust import Trust
from workflows.models.base import Model
from workflows.models.decision import Action
from workflows.models.gate import LAST_PHASE
from workflows.models.halt import HaltScope
from workflows.models.packages import MOST_PACKAGES
from workflows.models.pull_request import RevertPreview, RevertResult
from workflows.models.question import Choice
from workflows.models.status import Outcome, Stage, TaskStatus
from workflows.models.task import MAX_GOAL_CHARS
from workflows.models.watch import WatchResult


class NewTask(Model):
    """Ask for work."""

    goal: str = Field(max_length=MAX_GOAL_CHARS)
    repository: str = Field(min_length=1, max_length=4096)
    base: str = Field(default="", max_length=255)
    """Empty means the repository's default branch."""
    task_type: str = Field(default="bug-fix", pattern=r"^[a-z][a-z0-9-]{0,40}$")
    agent: str = Field(default="", max_length=100)
    scope: tuple[str, ...] = ()
    acceptance: tuple[str, ...] = ()
    key: str = Field(default="", max_length=400)
    """The intent's key; empty makes a fresh one. The same key again finds the same task."""
    again: bool = False
    """Make the next attempt of an intent whose last one has ended."""


class Admitted(Model):
    """What came of asking."""

    task_id: str
    new: bool
    """False if the same intent already had a task."""
    message: str = ""


class TaskLine(Model):
    """One task in a list."""

    task_id: str
    repository: str
    stage: Stage
    waits_for: str = ""
    outcome: Outcome | None = None
    requester: str = ""
    goal: str = ""
    started: datetime | None = None
    reverted: bool = False


class OutputPart(Model):
    """A piece of what was printed."""

    data: bytes
    offset: int
    """Where the next piece begins."""
    more: bool
    """Whether there is more, or may be later."""


class TaskView(Model):
    """Everything the gateway knows about a task."""

    status: TaskStatus
    live: bool
    """Whether the answer comes from the running workflow, or from the archive."""
    reverts: tuple[RevertResult, ...] = ()
    watch: WatchResult | None = None
    """What came of watching base after the merge; None while it goes on."""
    outlook: RevertPreview | None = None
    """What taking it back would come to now, where that was asked for and there is a merge."""
    outlook_recorded: RevertPreview | None = None
    """What it came to when it was last tried while base was watched, where it can't be tried now."""
    temporal_ui: str = ""
    trace_ui: str = ""
    """Where its trace is looked at; empty if the gateway does not know."""
    removed: tuple[Tombstone, ...] = ()
    """What there was of it in the archive and was removed on purpose."""
    halted: str = ""
    """Why its work stands still, if it does; not once it has ended."""
    closed: str = ""
    """Where `outlook` was asked for: why nobody can decide about it any more, or take its merge back."""
    silent: str = ""
    """Where `outlook` was asked for: since when its host does not answer, and when it counts as gone."""


class Where(Model):
    """Which merged tasks; all that is stated has to fit."""

    agent: str = Field(default="", max_length=100)
    agent_version: str = Field(default="", max_length=200)
    """As runs have it on record, or what it begins with."""
    type: str = Field(default="", max_length=100)
    repository: str = Field(default="", max_length=4096)
    """Its address or its name."""
    team: str = Field(default="", max_length=100)
    """As its budgets are counted: what team.toml says, else the repository's name."""
    requester: str = Field(default="", max_length=100)
    approver: str = Field(default="", max_length=100)
    merged_by: Literal["", "policy", "person"] = ""
    """Whether policy merged it, or a person."""
    since: AwareDatetime | None = None
    """Merged then or later."""
    until: AwareDatetime | None = None
    """Merged before."""


class MergedLine(Model):
    """One merged task, and what taking it back would come to after those before it in the list."""

    task_id: str
    repository: str
    """Its address."""
    base: str
    commit: str
    goal: str
    agent: str = ""
    agent_version: str = ""
    requester: str
    merged_at: datetime | None = None
    preview: RevertPreview


class NewDecision(Model):
    """Decide about a task."""

    action: Action
    head: str = ""
    """The head that was looked at; required to approve and merge."""
    evidence_hash: str = ""
    message: str = Field(default="", max_length=20_000)
    question: str = Field(default="", max_length=20)
    """Id of the question that is answered."""
    choice: Choice | None = None
    more_micro_usd: int = Field(default=0, ge=0, le=10**12)
    hosts: tuple[Annotated[str, Field(max_length=300)], ...] = Field(default=(), max_length=20)
    """Which an answer about hosts means."""
    packages: tuple[Annotated[str, Field(max_length=500)], ...] = Field(default=(), max_length=MOST_PACKAGES)
    """Which an answer about packages means."""


class ForgetHost(Model):
    """Take back what was answered about a host for a whole repository."""

    repository: str = Field(min_length=1, max_length=4096)
    host: str = Field(min_length=1, max_length=300)
    """`name:port`, as it was answered about."""
    message: str = Field(default="", max_length=20_000)


class NewHalt(Model):
    """Halt work, or let it go on."""

    id: str = Field(pattern=r"^[a-z0-9]{8,64}$")
    """Made by who asks, so that asking twice is one halt."""
    scope: HaltScope
    reason: str = Field(default="", max_length=2000)


class HaltLine(Model):
    """One halt, and how it ended if it has."""

    id: str
    scope: HaltScope
    halted_by: str
    halted_at: datetime
    reason: str
    resumed_by: str = ""
    resumed_at: datetime | None = None
    resume_reason: str = ""
    unconfirmed: bool = False
    """No key that is known here signed it, so it holds nothing: whether it should is for people to say."""


class ChangeTrust(Model):
    """Say what one kind of task has earned in one repository."""

    action: Literal[Action.PROMOTE, Action.DEMOTE]
    repository: str = Field(min_length=1, max_length=4096)
    task_type: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    phase: int = Field(default=0, ge=0, le=3)
    """Of a demotion: the phase after it; 0 is the lowest."""
    message: str = Field(default="", max_length=20_000)


class TrustLine(Trust):
    """What one kind of task has earned, and what policy files allow of it."""

    most: int = LAST_PHASE
    """The most that any kind of task may have there, whatever it has earned."""
    capped_by: tuple[str, ...] = ()
    """The files that say so."""

    @property
    def in_force(self) -> int:
        """The phase that counts."""
        return min(self.phase, self.most)


class NewObservation(Model):
    """Report a named signal about a commit of a base branch."""

    repository: str = Field(min_length=1, max_length=4096)
    commit: str = Field(pattern=r"^[0-9a-f]{40,64}$")
    """In full."""
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/ -]{0,79}$")
    good: bool
    detail: str = Field(default="", max_length=2000)
    link: str = Field(default="", max_length=2000)


class Observed(Model):
    """What came of reporting one."""

    watches: int
    """Over merges of that repository, which look at base now."""


class Refusal(Model):
    """Why something was not done, in words to act on."""

    detail: str
