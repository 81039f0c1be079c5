"""The steps that put facts on record."""

from temporalio import activity

from activities.archive.contract import TaskChains
from activities.decisions.authority import DECISION, Authority
from activities.failures import step
from activities.tracing.traces import Traces
from workflows.models.policy import PolicyRefusal
from workflows.models.steps import DecisionOrder, DecisionVerdict, Nothing, RecordOrder

OUTCOME = "outcome"
REVERT = "revert"
_KINDS = {OUTCOME, REVERT}


class RecordActivities:
    """Implements steps.RecordSteps."""

    def __init__(self, chains: TaskChains, authority: Authority, traces: Traces) -> None:
        self._chains = chains
        self._authority = authority
        self._traces = traces

    @activity.defn(name="verify_decision")
    @step
    async def verify_decision(self, order: DecisionOrder) -> DecisionVerdict:
        """Whether a decision holds; if so it goes on record, once."""
        if reason := self._authority.refusal(order.signed, order.task, order.policy):
            return DecisionVerdict(valid=False, refusal=reason)
        await self._chains.append(
            order.task.id, f"decision-{order.signed.signature[:32]}", DECISION, order.signed.model_dump(mode="json")
        )
        return DecisionVerdict(valid=True)

    @activity.defn(name="record")
    @step
    async def record(self, order: RecordOrder) -> Nothing:
        """Append an entry of a kind that a workflow writes, once. What merging trusts is written elsewhere."""
        if order.kind not in _KINDS:
            raise PolicyRefusal(f"refused: a workflow puts no {order.kind!r} on record; it writes {sorted(_KINDS)}")
        await self._chains.append(order.task_id, order.entry_id, order.kind, order.data, order.artifacts)
        self._traces.recorded(order)
        return Nothing()
