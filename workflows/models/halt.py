"""Halts: who stopped which work, and why, and who let it go on."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field, model_validator

from workflows.models.base import Model
from workflows.models.person import Person
from workflows.models.policy import TaskPolicy
from workflows.models.task import Task


class Work(Model):
    """Whose work something is, as far as halts ask; without a repository it is the installation's own."""

    repository: str = ""
    """Address."""
    team: str = ""
    """What team.toml says, else the repository's name."""

    @classmethod
    def of(cls, task: Task, policy: TaskPolicy) -> "Work":
        """Of a task."""
        return cls(repository=task.repository.url, team=policy.budget.team)


OWN = Work()
"""What a host does for itself, such as trying out what its sandboxes hold. No agent's code is in it."""


class Reach(StrEnum):
    """How much a halt stops."""

    ALL = "all"
    REPOSITORY = "repository"
    TEAM = "team"


class HaltScope(Model):
    """What is stopped."""

    reach: Reach
    name: str = Field(default="", max_length=4096)
    """The repository's address, or the team."""

    @model_validator(mode="after")
    def _is_named(self) -> "HaltScope":
        if bool(self.name) != (self.reach is not Reach.ALL):
            raise ValueError("a repository or a team has a name, and everything has none")
        return self

    def covers(self, work: Work | None) -> bool:
        """Whether this is stopped. Work of which it is not known whose it is may be anybody's, and is."""
        if work is None:
            return True
        if not work.repository:
            return False
        named = {Reach.ALL: "", Reach.REPOSITORY: work.repository, Reach.TEAM: work.team}
        return named[self.reach] == self.name

    @property
    def told(self) -> str:
        """For people."""
        return "everything" if self.reach is Reach.ALL else f"{self.reach} {self.name}"

    @property
    def option(self) -> str:
        """As one types it."""
        return {Reach.ALL: "--all", Reach.REPOSITORY: f"--repo {self.name}", Reach.TEAM: f"--team {self.name}"}[
            self.reach
        ]


class HaltAction(StrEnum):
    """What an entry of the record does."""

    HALT = "halt"
    RESUME = "resume"


class HaltEntry(Model):
    """One entry of the record of halts."""

    id: str = Field(pattern=r"^[a-z0-9]{8,64}$")
    action: HaltAction
    scope: HaltScope
    lifts: tuple[str, ...] = ()
    """Ids of the halts that a resume ends: those that were there, and none that comes later."""
    person: Person
    reason: str = ""
    at: datetime

    @property
    def told(self) -> str:
        """Of a halt: who stopped what, when and why, and how it goes on."""
        return (
            f"halted ({self.scope.told}) by {self.person.id} at {self.at:%Y-%m-%d %H:%M:%S}: {self.reason}; "
            f"`journeyman resume {self.scope.option}` lets it go on"
        )


def not_held(scope: HaltScope, said: str) -> str:
    """For people, of a halt that no known key signed. `said`: whose it is and why, by its own account."""
    return (
        f"NOT halted ({scope.told}): no gateway key that counts here signed this halt, as after "
        f"the key was replaced ({said}); if it should hold: journeyman halt {scope.option} -m WHY"
    )


def standing(entries: tuple[HaltEntry, ...]) -> tuple[HaltEntry, ...]:
    """The halts that nobody has lifted, in order; whatever order the entries came in, and however often each."""
    lifted = {halt for entry in entries if entry.action is HaltAction.RESUME for halt in entry.lifts}
    halts = {entry.id: entry for entry in reversed(entries) if entry.action is HaltAction.HALT}
    return tuple(
        sorted((halt for halt in halts.values() if halt.id not in lifted), key=lambda halt: (halt.at, halt.id))
    )
