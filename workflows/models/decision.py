"""Decisions: who let what happen, for exactly which head and evidence, signed by the gateway that knew them."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from workflows.models.base import Model
from workflows.models.packages import MOST_PACKAGES
from workflows.models.person import Person
from workflows.models.question import Choice

SIGNED_VERSION = 1
"""Of what gateways sign, decisions and admissions; a program refuses what a newer one has signed."""


class Action(StrEnum):
    """What a person can decide about a task."""

    APPROVE = "approve"
    REQUEST_CHANGES = "request-changes"
    REJECT = "reject"
    MERGE = "merge"
    CANCEL = "cancel"
    REVERT = "revert"
    ANSWER = "answer"
    """Answer a question that the task waits with."""
    FORGET_HOST = "forget-host"
    """Take back what was answered about a host for a whole repository."""
    WITHDRAW = "withdraw"
    """Take back an approval of one's own."""
    PROMOTE = "promote"
    """Let policy do more for one kind of task in one repository."""
    DEMOTE = "demote"
    """Let it do less."""


class Decision(Model):
    """One decision by one person."""

    action: Action
    person: Person
    task_id: str
    head: str = ""
    """The commit it is about; required to approve and merge."""
    evidence_hash: str = ""
    message: str = ""
    question: str = ""
    """Id of the question that is answered."""
    choice: Choice | None = None
    more_micro_usd: int = Field(default=0, ge=0)
    """With which a budget is raised."""
    hosts: tuple[str, ...] = Field(default=(), max_length=20)
    """Which an answer is about, each `name:port`: what the person saw, whatever the workflow makes of it."""
    packages: tuple[str, ...] = Field(default=(), max_length=MOST_PACKAGES)
    """Which an answer is about, each `name@version`."""
    repository: str = ""
    """Where no task is decided about: the repository's address."""
    task_type: str = ""
    """Of a promotion or demotion: the kind of task it is about."""
    phase: int = Field(default=0, ge=0, le=3)
    """Of a promotion or demotion: the phase after it."""
    decided_at: datetime
    expires_at: datetime
    """A signature is not accepted later than this, so that an old one can't be replayed."""

    @property
    def said_by(self) -> str:
        """Who decided, with what they said if they said anything."""
        return f"{self.person.id}: {self.message}" if self.message else self.person.id


class SignedDecision(Model):
    """A decision with the gateway's Ed25519 signature over its canonical JSON."""

    schema_version: int = SIGNED_VERSION
    decision: Decision
    key_id: str
    signature: str
    """Base64."""


class DecisionReceipt(Model):
    """What the caller of a decision gets back."""

    task_id: str
    action: Action
    person: str
    stage: str
    message: str
