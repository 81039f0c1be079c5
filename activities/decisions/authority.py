"""Whether a merge or a revert may happen: decided from signatures and the record, not from what a workflow says.

Whoever reaches Temporal's port can start workflows and schedule steps. So the steps that act ask what the gateway and
the workers signed: which task was admitted, which evidence exists for this head and under which policy, whether an
approval of an earlier head carries over to it, and which merge there is to take back.
"""

from datetime import UTC, datetime

from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedEvidence, AttestedMerge
from activities.decisions.refused import ActionRefused
from activities.decisions.signing import DecisionVerifier, SignatureRefused
from workflows.models.decision import Action, SignedDecision
from workflows.models.evidence import Evaluation
from workflows.models.patch import Patch
from workflows.models.policy import TaskPolicy
from workflows.models.steps import MergeOrder, RevertOrder
from workflows.models.task import Task
from workflows.review_rules import approval_carries_over, authority_refusal

DECISION = "decision"


class Authority:
    """Answers whether decisions hold, and what they are about."""

    def __init__(self, verifier: DecisionVerifier, admissions: Admissions, attested: Attested) -> None:
        self._verifier = verifier
        self._admissions = admissions
        self._attested = attested

    async def refusal(self, signed: SignedDecision, task: Task, policy: TaskPolicy) -> str:
        """Why a decision does not count: its signature, its age, or who made it. Empty if it does."""
        try:
            admitted = await self._admissions.confirm(task)
            self._verifier.verify(signed, datetime.now(UTC))
        except (ActionRefused, SignatureRefused) as refused:
            return str(refused)
        return authority_refusal(signed.decision, admitted, policy)

    async def may_publish(self, patch: Patch, evaluation: Evaluation, task: Task) -> AttestedEvidence:
        """The evidence that lets a patch be seen by others. Raises ActionRefused if there is none, or it blocks."""
        await self._attested.confirm(task.id, patch)
        current = _find(await self._attested.evidence(task.id), patch.head, evaluation.evidence_hash)
        if current is None:
            raise ActionRefused("refused: no host has put this evidence for this head on record")
        if current.blocked:
            raise ActionRefused("refused: a finding blocks this patch")
        return current

    async def may_merge(self, order: MergeOrder) -> Task:
        """The task whose patch may be merged, as it was admitted. Raises ActionRefused."""
        task = await self._admissions.confirm(order.task)
        current = await self.may_publish(order.patch, order.evaluation, task)
        recorded = await self._attested.evidence(task.id)
        for action, signed in ((Action.APPROVE, order.approval), (Action.MERGE, order.merge)):
            if signed.decision.action is not action:
                raise ActionRefused(f"refused: a decision to {signed.decision.action} was given as {action}")
            if reason := await self.refusal(signed, task, current.policy):
                raise ActionRefused(reason)
            seen = _find(recorded, signed.decision.head, signed.decision.evidence_hash)
            if seen is None:
                raise ActionRefused(f"refused: the decision to {action} is about evidence that is not on record")
            if reason := _carry_over_refusal(seen, current):
                raise ActionRefused(f"refused: the decision to {action} was about {seen.head[:12]}; {reason}")
        return task

    async def may_revert(self, order: RevertOrder) -> tuple[Task, AttestedMerge]:
        """The task and the merge of it that may be taken back. Raises ActionRefused."""
        if order.signed.decision.action is not Action.REVERT:
            raise ActionRefused(f"refused: a decision to {order.signed.decision.action} was given as revert")
        if reason := await self.refusal(order.signed, order.task, TaskPolicy()):
            raise ActionRefused(reason)
        task = await self._admissions.of(order.task.id)
        merge = await self._attested.merge(task.id)
        if merge is None:
            raise ActionRefused(f"refused: there is no merge of task {task.id} on record")
        if not merge.commit == order.merge_commit == order.signed.decision.head:
            raise ActionRefused(
                f"refused: task {task.id} was merged as {merge.commit[:12]}; the decision is about "
                f"{order.signed.decision.head[:12] or 'no commit'}, the order about {order.merge_commit[:12]}"
            )
        return task, merge


def _carry_over_refusal(seen: AttestedEvidence, current: AttestedEvidence) -> str:
    if (seen.head, seen.evidence_hash) == (current.head, current.evidence_hash):
        return ""
    return approval_carries_over(
        policy=seen.policy,
        new_policy_hash=current.policy.hash,
        same_patch=seen.diff_sha256 == current.diff_sha256,
        old_findings=set(seen.findings),
        new_findings=set(current.findings),
    )


def _find(recorded: tuple[AttestedEvidence, ...], head: str, evidence_hash: str) -> AttestedEvidence | None:
    return next((one for one in recorded if (one.head, one.evidence_hash) == (head, evidence_hash)), None)
