"""The step that asks the gate."""

from temporalio import activity

from activities.callers import only_called_by
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested
from activities.decisions.authority import Authority
from activities.failures import step
from activities.gate.gate import Gate
from workflows.models.gate import Verdict
from workflows.models.intent import task_workflow_id
from workflows.models.steps import GateOrder


class GateActivities:
    """Implements steps.GateSteps."""

    def __init__(self, gate: Gate, admissions: Admissions, authority: Authority, attested: Attested) -> None:
        self._gate = gate
        self._admissions = admissions
        self._authority = authority
        self._attested = attested

    @activity.defn(name="judge")
    @step
    async def judge(self, order: GateOrder) -> Verdict:
        """What may happen to a patch without a person; in every phase it goes on record beside what persons decide."""
        only_called_by(task_workflow_id(order.task.id))
        task = await self._admissions.confirm(order.task)
        judged = await self._authority.may_publish(order.patch, order.evaluation, task)
        verdict = await self._gate.judge(task, order.patch, order.evaluation, judged)
        await self._attested.add_verdict(task.id, verdict)
        return verdict
