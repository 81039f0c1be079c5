"""What each kind of task has earned in each repository: a chain of its own, from which the phase in force is read.

Promotions are owners' signed statements, one phase at a time; demotions are anybody's, or follow by themselves from a
revert or a bad outcome, which a worker attests. Nothing but signatures counts, so whoever can write to the archive, or
reaches Temporal, earns nothing.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError

from activities.archive.contract import ChainEntry, TaskChains
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import DecisionVerifier, SignatureRefused
from activities.decisions.withdrawals import DECISION
from activities.policy.documents import SecurityPolicy
from workflows.models.base import Model
from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.gate import FIRST_PHASE, LAST_PHASE

FOLDER = "trust"
"""Of these chains."""
DEMOTION = "demotion"
_MOST_CHANGES = 20


class Demotion(Model):
    """Trust that was taken away because of what came of a task."""

    repository: str
    task_type: str
    task_id: str
    why: str
    at: datetime
    asked: str = ""
    """By what it was asked for, such as a decision's signature: asked again later, it counts again."""


class TrustChange(Model):
    """One step up or down."""

    phase: int
    """After it."""
    by: str
    """Who, or `outcome` where it followed by itself."""
    why: str = ""
    at: datetime


class Trust(Model):
    """What one kind of task has earned in one repository."""

    repository: str
    task_type: str
    phase: int = FIRST_PHASE
    epoch: int = 0
    """How many changes have counted."""
    changes: tuple[TrustChange, ...] = ()
    """The newest last, at most 20."""

    def changed(self, change: TrustChange) -> "Trust":
        """After one more change."""
        changes = (*self.changes, change)[-_MOST_CHANGES:]
        return self.model_copy(update={"phase": change.phase, "epoch": self.epoch + 1, "changes": changes})


class TrustRecords:
    """Reads and keeps them."""

    def __init__(
        self,
        chains: TaskChains,
        verifier: DecisionVerifier,
        attesting: SignedRecord,
        security: Callable[[], SecurityPolicy],
    ) -> None:
        """`chains` are those of FOLDER, and so are `attesting`'s. `security`: the owner's file as it is now."""
        self._chains = chains
        self._verifier = verifier
        self._attesting = attesting
        self._security = security

    async def of(self, repository: str, task_type: str) -> Trust:
        """What counts now. A promotion counts only while who made it is still named in security.toml's `promote`."""
        name = _name(repository, task_type)
        may_promote = frozenset(self._security().promote or ())
        trust = Trust(repository=repository, task_type=task_type)
        heard: set[str] = set()
        for entry in await self._chains.entries(name):
            found = self._attesting.stated(name, entry, DEMOTION, Demotion) or self._decision(entry)
            if found is None or (found.repository, found.task_type) != (repository, task_type):
                continue
            # Once: what was signed before a demotion, and copied to behind it, gives nothing back.
            once = f"{found.task_id}/{found.asked}" if isinstance(found, Demotion) else f"{entry.data['signature']}"
            if once in heard:
                continue
            heard.add(once)
            if isinstance(found, Demotion):
                trust = trust.changed(TrustChange(phase=FIRST_PHASE, by="outcome", why=found.why, at=found.at))
            else:
                trust = _after(trust, found, may_promote)
        return trust

    async def refusal(self, decision: Decision) -> str:
        """Why somebody may not change what is earned like this, or an empty string."""
        if decision.action is Action.DEMOTE:
            return ""
        may_promote = self._security().promote
        if may_promote is None:
            return "refused: nobody may give more trust: security.toml names them in `promote`"
        if decision.person.id not in may_promote:
            return f"refused: `promote` in security.toml does not name {decision.person.id}; ask one of " + ", ".join(
                sorted(may_promote)[:5]
            )
        trust = await self.of(decision.repository, decision.task_type)
        if decision.phase != trust.phase + 1:
            last = "it is the last" if trust.phase == LAST_PHASE else f"only {trust.phase + 1} can follow"
            return f"refused: {decision.task_type} tasks there are in phase {trust.phase}, and {last}"
        return ""

    async def keep(self, signed: SignedDecision) -> None:
        """Put a promotion or demotion on record, once."""
        decision = signed.decision
        name = _name(decision.repository, decision.task_type)
        await self._chains.append(
            name, f"{decision.action}-{signed.signature[:32]}", DECISION, signed.model_dump(mode="json")
        )

    async def demote(self, demotion: Demotion) -> None:
        """Take trust away because of what came of a task, once for each time that it was asked for."""
        name = _name(demotion.repository, demotion.task_type)
        asked = hashlib.sha256(demotion.asked.encode()).hexdigest()[:16]
        await self._attesting.append(name, f"{DEMOTION}-{demotion.task_id}-{asked}", DEMOTION, demotion)

    def _decision(self, entry: ChainEntry) -> Decision | None:
        if entry.kind != DECISION:
            return None
        try:
            signed = SignedDecision.model_validate(entry.data)
            # It counts until it is taken back, however old.
            self._verifier.verify(signed, signed.decision.decided_at)
        except (ValidationError, SignatureRefused):
            return None
        return signed.decision


def _after(trust: Trust, decision: Decision, may_promote: frozenset[str]) -> Trust:
    change = TrustChange(phase=decision.phase, by=decision.person.id, why=decision.message, at=decision.decided_at)
    if decision.action is Action.DEMOTE and FIRST_PHASE <= decision.phase < trust.phase:
        return trust.changed(change)
    is_next = decision.phase == trust.phase + 1
    if decision.action is Action.PROMOTE and is_next and decision.person.id in may_promote:
        return trust.changed(change)
    return trust


def _name(repository: str, task_type: str) -> str:
    return hashlib.sha256(f"{repository}\0{task_type}".encode()).hexdigest()[:40]
