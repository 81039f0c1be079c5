"""Passing a person's decision to the task it is about, signed."""

from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.archive.contract import TaskChains
from activities.decisions.signing import DecisionSigner
from workers.gateway.messages import NewDecision
from workers.gateway.reading import Reading
from workers.gateway.refusals import Invalid, Refused
from workflows import queues
from workflows.models.decision import Action, Decision, DecisionReceipt, SignedDecision
from workflows.models.intent import revert_workflow_id, task_workflow_id
from workflows.models.person import Person
from workflows.models.pull_request import RevertResult
from workflows.models.status import RevertRequest, TaskStatus

VALID_FOR = timedelta(days=1)
"""How long a signature counts: long enough for a merge that waits for a busy base, far too short to hoard."""
_UPDATES = {
    Action.APPROVE: "approve",
    Action.REQUEST_CHANGES: "request_changes",
    Action.REJECT: "reject",
    Action.MERGE: "merge",
    Action.CANCEL: "cancel",
    Action.ANSWER: "answer",
}


class Deciding:
    """Signs what authenticated people decide and delivers it."""

    def __init__(self, temporal: Client, signer: DecisionSigner, reading: Reading, chains: TaskChains) -> None:
        self._temporal = temporal
        self._signer = signer
        self._reading = reading
        self._chains = chains

    async def decide(self, task_id: str, asked: NewDecision, person: Person) -> DecisionReceipt:
        """Deliver a decision; a refusal comes back in the task's own words."""
        if asked.action is Action.REVERT:
            raise Invalid("a revert has an address of its own")
        if asked.action is Action.REQUEST_CHANGES and not asked.message.strip():
            raise Invalid("say what should change: -m TEXT")
        signed = self._sign(task_id, asked, person)
        handle = self._temporal.get_workflow_handle(task_workflow_id(task_id))
        try:
            receipt: DecisionReceipt = await handle.execute_update(
                _UPDATES[asked.action], signed, result_type=DecisionReceipt
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
        return receipt

    async def revert(self, task_id: str, asked: NewDecision, person: Person) -> RevertResult:
        """Take a merged task back, and wait until base is restored or it is known why not."""
        status = await self._merged(task_id)
        # The signature is about this merge, and none that the task may have another time.
        wanted = asked.model_copy(update={"action": Action.REVERT, "head": status.merge_commit})
        signed = self._sign(task_id, wanted, person)
        handle = await self._temporal.start_workflow(
            "RevertMerge",
            RevertRequest(task=status.task, merge_commit=status.merge_commit, signed=signed),
            id=revert_workflow_id(task_id),
            task_queue=queues.ORCHESTRATE,
            # While one is under way its result is everybody's; a later try may find a conflict resolved.
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary=f"revert {status.task.repository.name}: task {task_id}",
            result_type=RevertResult,
        )
        result: RevertResult = await handle.result()
        return result

    async def _merged(self, task_id: str) -> TaskStatus:
        status = (await self._reading.view(task_id)).status
        if not status.merge_commit:
            stands = f"it ended as {status.outcome}" if status.outcome else f"it is at stage {status.stage}"
            raise Refused(f"refused: task {task_id} has no merge to take back; {stands}")
        return status

    def _sign(self, task_id: str, asked: NewDecision, person: Person) -> SignedDecision:
        now = datetime.now(UTC)
        return self._signer.sign(
            Decision(
                action=asked.action,
                person=person,
                task_id=task_id,
                head=asked.head,
                evidence_hash=asked.evidence_hash,
                message=asked.message,
                question=asked.question,
                choice=asked.choice,
                more_micro_usd=asked.more_micro_usd,
                decided_at=now,
                expires_at=now + VALID_FOR,
            )
        )
