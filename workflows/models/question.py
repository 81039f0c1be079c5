"""Questions a task asks while it waits, and what may be answered."""

from datetime import datetime
from enum import StrEnum

from workflows.models.base import Model


class QuestionKind(StrEnum):
    """What a question is about."""

    BUDGET = "budget"
    """A cap is reached; the run stands still."""
    UNFINISHED = "unfinished"
    """The agent has used up its runs without saying that it is done."""
    HANG = "hang"
    """The agent hung, was gone on with, and hung again; its run is over, its work and conversation are kept."""
    LIMIT = "limit"
    """A run came to its limit of time, memory, processes or disk; it is over, its work and conversation are kept."""
    EGRESS = "egress"
    """The agent was refused a host that policy does not list; the run stands still."""
    SPECIFICATION = "specification"
    """The goal is vague, and no agent was started yet."""
    PACKAGES = "packages"
    """The patch's lock files bring packages that nobody has allowed yet."""


class Choice(StrEnum):
    """What can be answered."""

    CONTINUE = "continue"
    PROPOSE = "propose"
    """Stop, and judge and propose what there is."""
    DISCARD = "discard"
    """Stop, and end the task; what there is stays in the archive."""
    ALLOW_ONCE = "allow-once"
    """Let this task reach the hosts."""
    ALLOW_REPOSITORY = "allow-repository"
    """Let every task of this repository reach them from now on."""
    REFUSE = "refuse"
    """Keep refusing them, and ask no more about them in this repository."""


WORK = (Choice.CONTINUE, Choice.PROPOSE, Choice.DISCARD)
"""What can become of work that stands still."""
GOAL = (Choice.CONTINUE, Choice.DISCARD)
"""What can become of a task whose goal is vague; with `continue` goes what was left unsaid."""
HOSTS = (Choice.ALLOW_ONCE, Choice.ALLOW_REPOSITORY, Choice.REFUSE)
"""What can be answered about hosts."""
PACKAGES = (Choice.ALLOW_ONCE, Choice.REFUSE)
"""What can be answered about packages."""
ALLOWS = frozenset({Choice.ALLOW_ONCE, Choice.ALLOW_REPOSITORY})


class Question(Model):
    """One question, asked where the task was asked."""

    id: str
    """Unique within the task."""
    kind: QuestionKind
    text: str
    """For people: what happened, what can be done."""
    choices: tuple[Choice, ...]
    cap: str = ""
    """For a budget: `task`, `requester-day` or `team-day`."""
    used_micro_usd: int = 0
    """By the task so far."""
    suggested_micro_usd: int = 0
    """A sensible amount to continue with."""
    hosts: tuple[str, ...] = ()
    """Of a question about hosts: each `name:port`, as the agent asked for it."""
    packages: tuple[str, ...] = ()
    """Of a question about packages: each `name@version`, as the patch's lock files have it."""
    asked_at: datetime
    expires_at: datetime
    """Unanswered until then, the work is kept and nothing is proposed; hosts stay refused, and the run goes on;
    packages stay out, and the patch is judged without them."""
