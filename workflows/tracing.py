"""Telling each step which span it belongs to: in a header, worked out from the workflow's state alone.

Workflow code makes no spans, so a replay makes none either, and no clock or randomness is involved. Stages become spans
when they are over, from the status that the workflow keeps anyway.
"""

from typing import Any, Protocol, runtime_checkable

from temporalio import workflow
from temporalio.converter import PayloadConverter
from temporalio.worker import StartActivityInput, WorkflowInboundInterceptor, WorkflowOutboundInterceptor

from workflows.models.trace import StepPlace

HEADER = "journeyman-trace"


@runtime_checkable
class Traced(Protocol):
    """A workflow whose steps belong to a trace."""

    @property
    def place(self) -> StepPlace:
        """Where a step that starts now belongs."""
        ...


class TracedWorkflow(WorkflowInboundInterceptor):
    """Puts the header on every step of a workflow that is Traced."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Called by Temporal once for each workflow."""
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        instance = workflow.instance()
        if isinstance(instance, Traced):
            payload = PayloadConverter.default.to_payload(instance.place.model_dump(mode="json"))
            input.headers = {**input.headers, HEADER: payload}
        return super().start_activity(input)
