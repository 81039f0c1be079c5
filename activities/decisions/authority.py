"""Whether a merge may happen: decided from signatures and the archive, not from what the workflow says.

Whoever reaches Temporal's port can start workflows and schedule steps. So the step that merges asks what hosts put on
record: which task a gateway admitted, which evidence exists for this head, under which policy, whether an approval of
an earlier head carries over to it, and which merge there was to take back.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from activities.archive.contract import ChainEntry, TaskChains
from activities.decisions.signing import DecisionVerifier, SignatureRefused, SignedAdmission
from workflows.models.base import Model
from workflows.models.decision import Action, SignedDecision
from workflows.models.patch import Patch
from workflows.models.policy import TaskPolicy
from workflows.models.steps import MergeOrder, RevertOrder
from workflows.models.task import Task
from workflows.review_rules import approval_carries_over, authority_refusal

ADMISSION = "admission"
EVIDENCE = "evidence"
DECISION = "decision"
MERGE = "merge"
"""Written by the step that merged, and by nothing else."""


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
        entries = await self._chains.entries(order.task.id)
        if reason := self._task_refusal(entries, order.task):
            return reason
        recorded = [_evidence(entry) for entry in entries if entry.kind == EVIDENCE]
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

    async def revert_refusal(self, order: RevertOrder) -> str:
        """Why this merge may not be taken back, or an empty string."""
        if order.signed.decision.action is not Action.REVERT:
            return f"refused: a decision to {order.signed.decision.action} was given as {Action.REVERT}"
        if reason := self.refusal(order.signed, order.task, TaskPolicy()):
            return reason
        entries = await self._chains.entries(order.task.id)
        if reason := self._task_refusal(entries, order.task):
            return reason
        merges = {entry.data.get("commit") for entry in entries if entry.kind == MERGE}
        if order.merge_commit not in merges or order.signed.decision.head != order.merge_commit:
            return f"refused: {order.merge_commit[:12]} is not the merge of task {order.task.id} on record"
        return ""

    async def task_refusal(self, task: Task) -> str:
        """Why nothing may be done for a task: nobody admitted it as it is now. Empty if somebody did."""
        return self._task_refusal(await self._chains.entries(task.id), task)

    def _task_refusal(self, entries: Sequence[ChainEntry], task: Task) -> str:
        admitted = next((entry for entry in entries if entry.kind == ADMISSION), None)
        if admitted is None:
            return "refused: no gateway has admitted this task; ask for it through this installation's gateway"
        try:
            known = self._verifier.verify_admission(SignedAdmission.model_validate(admitted.data))
        except SignatureRefused as refused:
            return str(refused)
        except ValidationError:
            return "refused: what is on record as the admitted task is none"
        return "" if known == task else "refused: the task is another one than was admitted"


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
