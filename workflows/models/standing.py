"""Where a task's pull request stands, as the forge shows it to whoever looks there and to whatever protects base."""

from enum import StrEnum

from workflows.models.base import Model
from workflows.models.ci import CiReport
from workflows.models.decision import SignedDecision
from workflows.models.evidence import Evaluation
from workflows.models.patch import Patch
from workflows.models.pull_request import PullRequest
from workflows.models.task import Task


class GateState(StrEnum):
    """What the gate's check on a head says."""

    WAITING = "waiting"
    """Something is still missing that may come: nothing merges on the strength of it."""
    PASSED = "passed"
    """Persons, or policy, have approved exactly this head with exactly its evidence."""
    FAILED = "failed"
    """This head can't pass any more; another may."""


class GateCheck(Model):
    """The gate's check on one head."""

    head: str
    state: GateState
    title: str
    """One line."""
    details: str = ""
    """Markdown."""


class StandingOrder(Model):
    """Show on the forge where a task's pull request stands.

    The step computes what is shown from signatures and the record; what this order says can only make it less.
    """

    task: Task
    pull_request: PullRequest
    patch: Patch
    evaluation: Evaluation
    approvals: tuple[SignedDecision, ...] = ()
    at_work: str = ""
    """Why this head is worked on again, if it is; then nothing is approved."""


class PullStanding(Model):
    """What a pull request tells of itself beside its description."""

    draft: bool
    """Whether nobody needs to look at it yet."""
    comment: str
    """The one comment, Markdown."""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    """Who owns what it changes, as CODEOWNERS names them: `@account`, `@organisation/team`, or an address."""


class Standing(Model):
    """What came of showing it."""

    check: GateCheck | None = None
    ci: CiReport | None = None
    """What the forge's CI says of the head; None if that could not be asked."""
    not_shown: str = ""
    """Why the forge shows it not, or not all of it; for people."""
