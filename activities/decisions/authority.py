"""Whether a merge or a revert may happen: decided from signatures and the record, not from what a workflow says.

Whoever reaches Temporal's port can start workflows and schedule steps. So the steps that act ask what the gateway and
the workers signed: which task was admitted, which evidence exists for this head and under which policy, whether an
approval of an earlier head carries over to it, and which merge there is to take back.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedEvidence, AttestedMerge, UsedDecision
from activities.decisions.refused import ActionRefused
from activities.decisions.signing import DecisionVerifier, SignatureRefused
from activities.decisions.withdrawals import Withdrawals
from activities.policy.documents import SecurityPolicy
from activities.policy.owners import PolicyFileBroken
from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.evidence import Evaluation
from workflows.models.gate import Permit, Verdict
from workflows.models.patch import Patch
from workflows.models.policy import TaskPolicy
from workflows.models.steps import MergeOrder, RevertOrder
from workflows.models.task import Task
from workflows.review_rules import approval_carries_over, authority_refusal, takes_an_approver


class AnsweredAlready(ActionRefused):
    """A decision has come to nothing before: whoever did not hear the answer is told it again."""

    def __init__(self, used: UsedDecision) -> None:
        super().__init__(f"{used.why} (answered already: decide again if you still want it)")
        self.used = used


class Authority:
    """Answers whether decisions hold, and what they are about."""

    def __init__(
        self,
        verifier: DecisionVerifier,
        admissions: Admissions,
        attested: Attested,
        withdrawals: Withdrawals,
        security: Callable[[], SecurityPolicy],
    ) -> None:
        """`security`: the security owner's file as it is now, whatever a task was prepared under."""
        self._verifier = verifier
        self._admissions = admissions
        self._attested = attested
        self._withdrawals = withdrawals
        self._security = security

    async def refusal(self, signed: SignedDecision, task: Task, policy: TaskPolicy) -> str:
        """Why a decision does not count: its signature, its age, or who made it. Empty if it does."""
        try:
            admitted = await self._admissions.confirm(task)
            self._verifier.verify(signed, datetime.now(UTC))
        except (ActionRefused, SignatureRefused) as refused:
            return str(refused)
        return (
            authority_refusal(signed.decision, admitted, policy)
            or self._owner_refusal(signed.decision, admitted)
            or await self._own_refusal(signed.decision, policy)
        )

    async def _own_refusal(self, decision: Decision, policy: TaskPolicy) -> str:
        """Nobody lets pass what they pushed themselves, as nobody who asked for it does."""
        if decision.action is not Action.APPROVE or policy.allow_self_approval:
            return ""
        if decision.person.id not in await self._attested.pushed_by(decision.task_id):
            return ""
        return f"refused: {decision.person.id} pushed to this task's branch, so somebody else approves it"

    async def stands(self, signed: SignedDecision, policy: TaskPolicy, repository: str = "") -> bool:
        """Whether a decision on record counts: however old, but only while who made it may still make it.

        `repository`: the one that its task has to be of, where it is to count for more than the task.
        """
        decision = signed.decision
        try:
            admitted = await self._admissions.of(decision.task_id)
            self._verifier.verify(signed, decision.decided_at)
        except (ActionRefused, SignatureRefused):
            return False
        if repository and admitted.repository.url != repository:
            return False
        return not (authority_refusal(decision, admitted, policy) or self._owner_refusal(decision, admitted))

    def _owner_refusal(self, decision: Decision, task: Task) -> str:
        """Who was taken off a list decides no more, also about what was judged while they were on it."""
        if not takes_an_approver(decision):
            return ""
        try:
            security = self._security()
        except PolicyFileBroken as broken:
            return f"refused: nobody can decide while {broken}"
        if security.approve is not None and decision.person.id not in security.approve:
            names = ", ".join(sorted(security.approve)[:5])
            return f"refused: `approve` in security.toml does not name {decision.person.id} now; ask one of {names}"
        if decision.person.is_same_person(task.requester) and security.allow_self_approval is False:
            return f"refused: {decision.person.id} asked for this task, and security.toml has somebody else decide"
        return ""

    async def may_publish(self, patch: Patch, evaluation: Evaluation, task: Task) -> AttestedEvidence:
        """The evidence that lets a patch be seen by others.

        Raises ActionRefused if there is none, it blocks, or something was judged since; or if somebody ended the task.
        """
        await self._attested.confirm(task.id, patch)
        recorded = await self._attested.evidence(task.id)
        current = _find(recorded, patch.head, evaluation.evidence_hash)
        if current is None:
            raise ActionRefused("refused: no host has put this evidence for this head on record")
        if current != recorded[-1]:
            raise ActionRefused("refused: another head or other evidence was judged since; look at that")
        if ended := await self._withdrawals.ended(task.id):
            raise ActionRefused(f"refused: {ended}")
        if current.blocked:
            raise ActionRefused("refused: a finding blocks this patch")
        return current

    async def may_merge(self, order: MergeOrder, task: Task, current: AttestedEvidence, verdict: Verdict) -> None:
        """Raises ActionRefused unless persons, or policy by its verdict of this moment, let this patch be merged.

        `task` is as it was admitted, `current` what `may_publish` gave for it.
        """
        await self.approved(order.approvals, task, current, verdict)
        if order.merge is not None:
            recorded = await self._attested.evidence(task.id)
            await self._refuse_unless(Action.MERGE, order.merge, task, current, recorded)
            await self._refuse_used(task, order.merge)
        elif verdict.permits is not Permit.MERGE:
            raise ActionRefused(f"refused: policy does not merge it: {_reasons(verdict)}")
        if order.merge is None:
            await self._refuse_sent_back(task, current)

    async def approved(
        self, approvals: tuple[SignedDecision, ...], task: Task, current: AttestedEvidence, verdict: Verdict
    ) -> None:
        """Raises ActionRefused unless persons, or policy where none has approved, let exactly this patch land."""
        recorded = await self._attested.evidence(task.id)
        for signed in approvals:
            await self._refuse_unless(Action.APPROVE, signed, task, current, recorded)
            if against := await self._withdrawals.since(signed.decision):
                raise ActionRefused(
                    f"refused: {against.person.id} decided to {against.action} after it was approved by "
                    f"{signed.decision.person.id}; it has to be looked at again"
                )
        if approvals:
            persons = frozenset(signed.decision.person.id for signed in approvals)
            if missing := verdict.needs.missing(persons):
                raise ActionRefused(f"refused: it still needs {missing}")
            return
        if verdict.permits is Permit.PERSON:
            raise ActionRefused(f"refused: policy does not approve it: {_reasons(verdict)}")
        await self._refuse_sent_back(task, current)

    async def _refuse_unless(
        self,
        action: Action,
        signed: SignedDecision,
        task: Task,
        current: AttestedEvidence,
        recorded: tuple[AttestedEvidence, ...],
    ) -> None:
        """Raises ActionRefused unless a person's decision holds, about this head or one that it carries over from."""
        if signed.decision.action is not action:
            raise ActionRefused(f"refused: a decision to {signed.decision.action} was given as {action}")
        if reason := await self.refusal(signed, task, current.policy):
            raise ActionRefused(reason)
        seen = _find(recorded, signed.decision.head, signed.decision.evidence_hash)
        if seen is None:
            raise ActionRefused(f"refused: the decision to {action} is about evidence that is not on record")
        if reason := _carry_over_refusal(seen, current):
            raise ActionRefused(f"refused: the decision to {action} was about {seen.head[:12]}; {reason}")

    async def _refuse_sent_back(self, task: Task, current: AttestedEvidence) -> None:
        """Policy approves nothing that a person has sent back."""
        if against := await self._withdrawals.of_head(task.id, current.head):
            raise ActionRefused(
                f"refused: {against.person.id} decided to {against.action} about it, so policy does not let it land"
            )

    async def _refuse_used(self, task: Task, signed: SignedDecision) -> None:
        """A decision that was answered with a refusal is not carried out later behind everybody's back."""
        if (used := await self._attested.used(task.id, signed.signature)) is not None:
            raise AnsweredAlready(used)

    async def may_revert(self, order: RevertOrder) -> tuple[Task, AttestedMerge]:
        """The task and the merge of it that may be taken back. Raises ActionRefused."""
        assert order.signed is not None, "policy's reverts are judged by what is known of base"
        if order.signed.decision.action is not Action.REVERT:
            raise ActionRefused(f"refused: a decision to {order.signed.decision.action} was given as revert")
        if reason := await self.refusal(order.signed, order.task, TaskPolicy()):
            raise ActionRefused(reason)
        task = await self._admissions.of(order.task.id)
        await self._refuse_used(task, order.signed)
        merge = await self._attested.merge(task.id)
        if merge is None:
            raise ActionRefused(f"refused: there is no merge of task {task.id} on record")
        if not merge.commit == order.merge_commit == order.signed.decision.head:
            raise ActionRefused(
                f"refused: task {task.id} was merged as {merge.commit[:12]}; the decision is about "
                f"{order.signed.decision.head[:12] or 'no commit'}, the order about {order.merge_commit[:12]}"
            )
        return task, merge


def _reasons(verdict: Verdict) -> str:
    return "; ".join(verdict.reasons[:3]) or f"it permits no more than {verdict.permits}"


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
