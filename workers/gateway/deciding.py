"""Passing a person's decision to the task it is about, signed."""

from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedMerge
from activities.decisions.host_answers import HostAnswer, HostAnswers
from activities.decisions.signing import DecisionSigner
from activities.decisions.withdrawals import STOPS, Withdrawals
from activities.redaction.redactor import Redactor
from workers.gateway.messages import ForgetHost, NewDecision
from workers.gateway.reading import Reading
from workers.gateway.refusals import Invalid, Refused
from workflows import queues
from workflows.models.decision import Action, Decision, DecisionReceipt, SignedDecision
from workflows.models.intent import revert_workflow_id, task_workflow_id
from workflows.models.person import Person
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import RevertResult
from workflows.models.status import Outcome, RevertRequest
from workflows.review_rules import stage_refusal

VALID_FOR = timedelta(days=1)
"""How long a signature counts: long enough for a merge that waits for a busy base, far too short to hoard."""
_REDACTOR = Redactor()
_UPDATES = {
    Action.APPROVE: "approve",
    Action.WITHDRAW: "withdraw",
    Action.REQUEST_CHANGES: "request_changes",
    Action.REJECT: "reject",
    Action.MERGE: "merge",
    Action.CANCEL: "cancel",
    Action.ANSWER: "answer",
}


class Deciding:
    """Signs what authenticated people decide and delivers it."""

    def __init__(
        self,
        temporal: Client,
        signer: DecisionSigner,
        reading: Reading,
        admissions: Admissions,
        attested: Attested,
        withdrawals: Withdrawals,
        answers: HostAnswers,
    ) -> None:
        self._temporal = temporal
        self._signer = signer
        self._reading = reading
        self._admissions = admissions
        self._attested = attested
        self._withdrawals = withdrawals
        self._answers = answers

    async def decide(self, task_id: str, asked: NewDecision, person: Person, *, once: str = "") -> DecisionReceipt:
        """Deliver a decision; a refusal comes back in the task's own words.

        `once`: by which the same decision is known if it is delivered again, and taken once.
        """
        if asked.action not in _UPDATES:
            raise Invalid(f"{asked.action} has an address of its own")
        if asked.action is Action.REQUEST_CHANGES and not asked.message.strip():
            raise Invalid("say what should change: -m TEXT")
        if asked.action in {Action.APPROVE, Action.MERGE}:
            await self._refuse_unknown_evidence(task_id, asked)
        signed = self._sign(task_id, asked, person)
        handle = self._temporal.get_workflow_handle(task_workflow_id(task_id))
        try:
            receipt: DecisionReceipt = await handle.execute_update(
                _UPDATES[asked.action], signed, id=once or None, result_type=DecisionReceipt
            )
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            raise Refused(cause.message if isinstance(cause, ApplicationError) else str(cause)) from error
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            status = await self._reading.recorded(task_id)
            ended = f"it ended as {status.outcome}" if status else "Temporal does not know it"
            raise Refused(f"refused: can't {asked.action} task {task_id}: {ended}") from error
        if asked.action in STOPS:
            # By the task's own workflow it is on record already. Another in its place may only say that it took it.
            await self._withdrawals.put(signed)
        return receipt

    async def revert(self, task_id: str, asked: NewDecision, person: Person) -> RevertResult:
        """Take a merged task back, and wait until base is restored or it is known why not."""
        merge = await self._merge_of(task_id)
        task = await self._admissions.of(task_id)
        about_it = asked.model_copy(update={"action": Action.REVERT, "head": merge.commit, "evidence_hash": ""})
        signed = self._sign(task_id, about_it, person)
        handle = await self._temporal.start_workflow(
            "RevertMerge",
            RevertRequest(task=task, merge_commit=merge.commit, signed=signed),
            id=revert_workflow_id(task_id),
            task_queue=queues.ORCHESTRATE,
            # While one is under way its result is everybody's; a later try may find a conflict resolved.
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary=f"revert {task.repository.name}: task {task_id}",
            result_type=RevertResult,
        )
        result: RevertResult = await handle.result()
        return result

    async def hosts(self, repository: str) -> list[HostAnswer]:
        """What people answered about hosts for a whole repository."""
        return list(await self._answers.of_repository(repository, TaskPolicy()))

    async def forget_host(self, asked: ForgetHost, person: Person) -> None:
        """Take one of these answers back: it only makes a way out narrower, or a question come again."""
        now = datetime.now(UTC)
        decision = Decision(
            action=Action.FORGET_HOST,
            person=person,
            task_id="",
            hosts=(asked.host,),
            repository=asked.repository,
            message=_REDACTOR.text(asked.message),
            decided_at=now,
            expires_at=now + VALID_FOR,
        )
        await self._answers.keep(self._signer.sign(decision), asked.repository)

    async def _merge_of(self, task_id: str) -> AttestedMerge:
        merge = await self._attested.merge(task_id)
        if merge is None:
            status = (await self._reading.view(task_id)).status
            if status.outcome is Outcome.MERGED:
                raise Refused(
                    f"refused: no worker whose key counts here signed the merge of task {task_id}, as after that key "
                    f"was replaced; `git revert -m 1 {status.merge_commit[:12]}` by hand takes it back"
                )
            stands = f"it ended as {status.outcome}" if status.outcome else f"it is at stage {status.stage}"
            raise Refused(f"refused: task {task_id} has no merge to take back; {stands}")
        return merge

    async def _refuse_unknown_evidence(self, task_id: str, asked: NewDecision) -> None:
        """A decision is signed about the newest evidence only, whatever a workflow shows."""
        if not asked.head:
            # There was nothing to look at; the task itself says why.
            return
        recorded = await self._attested.evidence(task_id)
        if not recorded or (recorded[-1].head, recorded[-1].evidence_hash) != (asked.head, asked.evidence_hash):
            if reason := stage_refusal(asked.action, (await self._reading.view(task_id)).status):
                raise Refused(reason)
            if not recorded:
                raise Refused(
                    f"refused: there is no evidence about task {task_id} by a worker whose key counts here, as after "
                    "that key was replaced; request changes, so that it is judged again"
                )
            raise Refused(
                f"refused: {asked.head[:12] or 'no commit'} with this evidence is not what was judged last for task "
                f"{task_id}; look at it again"
            )

    def _sign(self, task_id: str, asked: NewDecision, person: Person) -> SignedDecision:
        now = datetime.now(UTC)
        return self._signer.sign(
            Decision(
                action=asked.action,
                person=person,
                task_id=task_id,
                head=asked.head,
                evidence_hash=asked.evidence_hash,
                # Into the history and the archive goes no credential that somebody pasted.
                message=_REDACTOR.text(asked.message),
                question=asked.question,
                choice=asked.choice,
                more_micro_usd=asked.more_micro_usd,
                hosts=asked.hosts,
                packages=asked.packages,
                decided_at=now,
                expires_at=now + VALID_FOR,
            )
        )
