"""Decisions as they are on record: those that a gateway signed, and no others."""

from pydantic import ValidationError

from activities.archive.contract import TaskChains
from activities.archive.objects import ArchiveError
from activities.decisions.signing import DecisionVerifier, SignatureRefused, SignedByNewer
from activities.decisions.withdrawals import DECISION
from workflows.models.decision import SignedDecision


async def signed_decisions(chains: TaskChains, name: str, verifier: DecisionVerifier) -> list[SignedDecision]:
    """Decisions of a chain that a gateway signed, in order. They hold until they are taken back."""
    found = []
    for entry in await chains.entries(name):
        if entry.kind != DECISION:
            continue
        try:
            signed = SignedDecision.model_validate(entry.data)
            verifier.verify(signed, signed.decision.decided_at)
        except SignedByNewer as newer:
            raise ArchiveError(f"{newer}, to read what is on record as {name}") from newer
        except (ValidationError, SignatureRefused):
            continue
        found.append(signed)
    return found
