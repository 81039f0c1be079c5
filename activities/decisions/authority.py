"""Whether a merge may happen: decided from signatures and the archive, not from what the workflow says.

Whoever reaches Temporal's port can start workflows and schedule steps. So the step that merges asks what hosts put on
record: which evidence exists for this head, under which policy, and whether an approval of an earlier head carries
over to it.
"""

from datetime import UTC, datetime

from activities.archive.contract import ChainEntry, TaskChains
from activities.decisions.signing import DecisionVerifier, SignatureRefused
from workflows.models.base import Model
from workflows.models.decision import Action, SignedDecision
from workflows.models.patch import Patch
from workflows.models.policy import TaskPolicy
from workflows.models.steps import MergeOrder
from workflows.models.task import Task
from workflows.review_rules import approval_carries_over, authority_refusal

EVIDENCE = "evidence"
DECISION = "decision"


class RecordedEvidence(Model):
    """What a host put on record after an evaluation."""

    evidence_hash: str
    head: str
    base_commit: str
    diff_sha256: str
    policy: TaskPolicy
    findings: tuple[str, ...] = ()
    """Rule and path of each."""
    blocked: bool = False


class Authority:
    """Answers whether decisions hold."""

    def __init__(self, verifier: DecisionVerifier, chains: TaskChains) -> None:
        self._verifier = verifier
        self._chains = chains

    def refusal(self, signed: SignedDecision, task: Task, policy: TaskPolicy) -> str:
        """Why a decision does not count: its signature, its age, or who made it. Empty if it does."""
        try:
            self._verifier.verify(signed, datetime.now(UTC))
        except SignatureRefused as refused:
            return str(refused)
        return authority_refusal(signed.decision, task, policy)

    async def merge_refusal(self, order: MergeOrder) -> str:
        """Why this merge may not happen, or an empty string."""
        recorded = [_evidence(entry) for entry in await self._chains.entries(order.task.id) if entry.kind == EVIDENCE]
        current = _find(recorded, order.patch.head, order.evaluation.evidence_hash)
        if current is None:
            return "refused: no host has put this evidence for this head on record"
        if current.blocked:
            return "refused: a finding blocks this patch"
        if (current.base_commit, current.diff_sha256) != (order.patch.base_commit, order.patch.diff_sha256):
            return "refused: the evidence is about another base or another patch"
        for action, signed in ((Action.APPROVE, order.approval), (Action.MERGE, order.merge)):
            if signed.decision.action is not action:
                return f"refused: a decision to {signed.decision.action} was given as {action}"
            if reason := self.refusal(signed, order.task, current.policy):
                return reason
            seen = _find(recorded, signed.decision.head, signed.decision.evidence_hash)
            if seen is None:
                return f"refused: the decision to {action} is about evidence that is not on record"
            if reason := _carry_over_refusal(seen, current):
                return f"refused: the decision to {action} was about {seen.head[:12]}; {reason}"
        return ""


def recorded_evidence(
    policy: TaskPolicy, patch: Patch, evidence_hash: str, findings: tuple[str, ...], *, blocked: bool
) -> RecordedEvidence:
    """What to put on record after an evaluation."""
    return RecordedEvidence(
        evidence_hash=evidence_hash,
        head=patch.head,
        base_commit=patch.base_commit,
        diff_sha256=patch.diff_sha256,
        policy=policy,
        findings=findings,
        blocked=blocked,
    )


def _carry_over_refusal(seen: RecordedEvidence, current: RecordedEvidence) -> str:
    if (seen.head, seen.evidence_hash) == (current.head, current.evidence_hash):
        return ""
    return approval_carries_over(
        policy=seen.policy,
        new_policy_hash=current.policy.hash,
        same_patch=seen.diff_sha256 == current.diff_sha256,
        old_findings=set(seen.findings),
        new_findings=set(current.findings),
    )


def _evidence(entry: ChainEntry) -> RecordedEvidence:
    return RecordedEvidence.model_validate(entry.data)


def _find(recorded: list[RecordedEvidence], head: str, evidence_hash: str) -> RecordedEvidence | None:
    return next((one for one in recorded if (one.head, one.evidence_hash) == (head, evidence_hash)), None)
