"""What a forge's CI says of one commit."""

from datetime import datetime
from enum import StrEnum

from workflows.models.base import Model

_MOST_CARRIED = 20


class CiOutcome(StrEnum):
    """Of one check."""

    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"


class CiCheck(Model):
    """One check run or commit status, the newest of its name."""

    name: str
    outcome: CiOutcome
    detail: str = ""
    """One line, in the words of whoever checked."""
    link: str = ""
    finished_at: datetime | None = None
    """None while it is pending."""
    log: str = ""
    """The end of a failing job's log, redacted: untrusted, since code under test writes it."""


class CiReport(Model):
    """All of them."""

    commit: str
    checks: tuple[CiCheck, ...] = ()
    """Failing ones first; at most 100."""
    unread: str = ""
    """What could not be read, and what it would take; for people."""
    expected: bool = False
    """Whether there is CI here: base's commit has been checked."""

    def shortened(self) -> "CiReport":
        """As much of it as a task's status carries."""
        return self.model_copy(update={"checks": self.checks[:_MOST_CARRIED]})

    @property
    def why_not_passed(self) -> str:
        """Why nobody can say that CI passes; empty if it does, or if there is none here."""
        if self.failed or self.pending:
            return self.told
        if self.unread:
            return f"CI could not be read: {self.unread}"
        return "" if self.checks or not self.expected else f"CI has not begun on {self.commit[:12]}"

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of those that failed."""
        return tuple(check.name for check in self.checks if check.outcome is CiOutcome.FAILED)

    @property
    def pending(self) -> tuple[str, ...]:
        """Names of those that are not done."""
        return tuple(check.name for check in self.checks if check.outcome is CiOutcome.PENDING)

    @property
    def told(self) -> str:
        """One line for people; empty if there are no checks."""
        if not self.checks:
            return ""
        if self.failed:
            return f"CI fails on {self.commit[:12]}: {', '.join(self.failed[:5])}"
        if self.pending:
            return f"CI runs on {self.commit[:12]}: {', '.join(self.pending[:5])}"
        return f"CI passes on {self.commit[:12]}"
