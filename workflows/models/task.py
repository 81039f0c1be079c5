"""Tasks: an intent made concrete enough to hand to an agent."""

from pydantic import Field, field_validator

from workflows.models.base import Model
from workflows.models.intent import Intent
from workflows.models.person import Person

MAX_GOAL_CHARS = 20_000
GITHUB_SHORT = "github:"
"""Begins the name of a repository on GitHub, where somebody types no address."""


class Repository(Model):
    """Where the code lives."""

    url: str = Field(min_length=1)
    """A path on this machine or an address git can clone."""
    name: str = Field(min_length=1)
    """Short name used in keys and search attributes, such as `acme/shop`."""
    forge: str = "local"
    """Which forge implementation proposes and merges: `local` needs nothing but the repository."""

    @property
    def is_shared(self) -> bool:
        """Whether others than this installation look at its pull requests, and may merge them."""
        return self.forge != "local"


class Task(Model):
    """What is to be done, where, and for whom."""

    id: str
    intent: Intent
    repository: Repository
    base: str = "main"
    """The branch the work starts from and lands on."""
    goal: str = Field(min_length=1, max_length=MAX_GOAL_CHARS)
    acceptance: tuple[str, ...] = ()
    """Acceptance criteria, one sentence each."""
    task_type: str = "bug-fix"
    scope: tuple[str, ...] = ()
    """Gitignore-style patterns of paths it may touch; empty means the whole repository."""
    agent: str = ""
    """Name of a configured agent; empty means the platform's default."""
    trace: str = ""
    """Traceparent of the task's own span: whatever happens to it, in whichever process, joins the trace by this."""

    @field_validator("goal")
    @classmethod
    def _goal_says_something(cls, goal: str) -> str:
        if not goal.strip():
            raise ValueError("the goal is empty: say what should be different afterwards")
        return goal

    @property
    def requester(self) -> Person:
        """Who asked."""
        return self.intent.requester

    @property
    def branch(self) -> str:
        """The one branch of this intent and attempt."""
        return f"journeyman/{self.id}"
