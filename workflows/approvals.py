"""Approvals of the patch under review: whose count, what is still missing, when they expire."""

from datetime import datetime

from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.gate import ApprovalNeeds, Permit, Verdict
from workflows.models.person import Person
from workflows.progress import Progress


class Approvals:
    """Of one head with one evidence; they are cleared whenever another is looked at."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.verdict: Verdict | None = None
        """Of the gate about this patch; None where it could not decide."""
        self._given: tuple[SignedDecision, ...] = ()

    @property
    def given(self) -> tuple[SignedDecision, ...]:
        """By persons, in order."""
        return self._given

    @property
    def count(self) -> int:
        """How many persons have approved."""
        return len(self._given)

    @property
    def by_policy(self) -> bool:
        """Whether policy approves, so that no person has to."""
        return self.verdict is not None and self.verdict.permits is not Permit.PERSON

    def clear(self) -> None:
        """Another patch, or other evidence, is looked at."""
        self._set(())

    def know(self, verdict: Verdict | None) -> None:
        """The gate has judged this patch. People see its risk; what policy would do they see when they have decided."""
        self.verdict = verdict
        self._progress.change(risk=verdict.risk if verdict is not None else None, verdict=None)

    def tell(self) -> None:
        """Somebody has decided, or policy acts: what it decided is for all to see."""
        self._progress.change(verdict=self.verdict)

    def add(self, signed: SignedDecision) -> bool:
        """Count one more. Says whether nothing is missing now; if not, people are told what."""
        self._set((*self._given, signed))
        missing = self.missing()
        self._progress.say(missing)
        return not missing

    def withdraw(self, person: Person) -> None:
        """Count this person's no more."""
        self._set(tuple(each for each in self._given if not each.decision.person.is_same_person(person)))

    def missing(self) -> str:
        """What is still needed, for people; empty if nothing is."""
        if self.by_policy and not self._given:
            return ""
        needs = self.verdict.needs if self.verdict is not None else ApprovalNeeds()
        wanting = needs.missing(frozenset(each.decision.person.id for each in self._given))
        return f"it still needs {wanting}" if wanting else ""

    def missing_beyond_one(self) -> str:
        """Who has to approve, where it is more than any one person; else empty."""
        needs = self.verdict.needs if self.verdict is not None else ApprovalNeeds()
        return f"it needs {needs.missing(frozenset())}" if needs.count > 1 or needs.owned else ""

    def refusal(self, decision: Decision) -> str:
        """Why a decision does not fit the approvals that are there, or an empty string."""
        has_approved = any(each.decision.person.is_same_person(decision.person) for each in self._given)
        if decision.action is Action.APPROVE and has_approved:
            return f"refused: {decision.person.id} has approved it already; {self.missing() or 'merge it'}"
        if decision.action is Action.WITHDRAW and not has_approved:
            return f"refused: there is no approval by {decision.person.id} to take back"
        return ""

    def seconds_left(self, now: datetime) -> float | None:
        """Until the first of them expires; None if there is none."""
        expiries = [each.decision.expires_at for each in self._given]
        return max(0.0, (min(expiries) - now).total_seconds()) if expiries else None

    def drop_expired(self, now: datetime) -> str:
        """Count those that have expired no more, and say so."""
        expired = [each.decision.person.id for each in self._given if each.decision.expires_at <= now]
        self._set(tuple(each for each in self._given if each.decision.expires_at > now))
        return f"the approval by {', '.join(expired)} has expired: look at it again"

    def _set(self, given: tuple[SignedDecision, ...]) -> None:
        self._given = given
        self._progress.change(approved_by=tuple(each.decision.person.id for each in given))
