"""Decisions by which a person stopped a task or sent it back: what they decided against may not happen any more.

They are on record once they were accepted, so they count whatever becomes of the workflow, and whoever still has an
older approval gets nothing by it.
"""

from activities.archive.contract import TaskChains
from activities.archive.objects import ArchiveError
from activities.decisions.signing import DecisionVerifier, SignatureRefused, SignedByNewer
from workflows.models.decision import Action, Decision, SignedDecision

DECISION = "decision"
"""Kind of a decision's entry in a task's chain."""
OUTCOME = "outcome"
ENDS = frozenset({Action.REJECT, Action.CANCEL})
STOPS = ENDS | {Action.REQUEST_CHANGES, Action.WITHDRAW}


class Withdrawals:
    """What people decided against a task's patches, by the gateways' word."""

    def __init__(self, chains: TaskChains, verifier: DecisionVerifier) -> None:
        self._chains = chains
        self._verifier = verifier

    async def put(self, signed: SignedDecision) -> None:
        """Put a decision on record, once."""
        decision = signed.decision
        entry = f"decision-{signed.signature[:32]}"
        await self._chains.append(decision.task_id, entry, DECISION, signed.model_dump(mode="json"))

    async def ended(self, task_id: str) -> str:
        """How a task has ended, as far as it is on record; empty if it has not."""
        for decision in await self._all(task_id):
            if decision.action in ENDS:
                return f"{decision.person.id} decided to {decision.action} this task"
        if any(entry.kind == OUTCOME for entry in await self._chains.entries(task_id)):
            return "this task has ended"
        return ""

    async def since(self, approval: Decision) -> Decision | None:
        """A decision against what was approved, made when the approval was there already.

        Anybody's to send it back or end it; to withdraw an approval, that of the person who gave it.
        """
        later = (each for each in await self._all(approval.task_id) if each.decided_at >= approval.decided_at)
        return next((each for each in later if _concerns(each, approval)), None)

    async def of_head(self, task_id: str, head: str) -> Decision | None:
        """A decision by which somebody sent this very head back, or ended its task."""
        against = (each for each in await self._all(task_id) if each.action is not Action.WITHDRAW)
        return next((each for each in against if each.head in {"", head} or each.action in ENDS), None)

    async def _all(self, task_id: str) -> list[Decision]:
        found = []
        for entry in await self._chains.entries(task_id):
            if entry.kind != DECISION:
                continue
            try:
                signed = SignedDecision.model_validate(entry.data)
                # It counts for ever, unlike one that lets something happen.
                self._verifier.verify(signed, signed.decision.decided_at)
            except SignedByNewer as newer:
                raise ArchiveError(f"{newer}, to read what is on record of task {task_id}") from newer
            except (ValueError, SignatureRefused):
                continue
            if signed.decision.action in STOPS and signed.decision.task_id == task_id:
                found.append(signed.decision)
        return found


def _concerns(against: Decision, approval: Decision) -> bool:
    return against.action is not Action.WITHDRAW or against.person.is_same_person(approval.person)
