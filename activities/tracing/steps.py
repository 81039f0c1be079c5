"""A span for each attempt of a step, below the stage that its workflow says it belongs to."""

from contextvars import ContextVar
from typing import Any

from pydantic import ValidationError
from temporalio import activity
from temporalio.converter import PayloadConverter
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from activities.tracing.names import Attribute
from activities.tracing.recorder import Recorder
from workflows.models.trace import SpanKind, StepPlace
from workflows.tracing import HEADER, TracedWorkflow

_UNTOLD = {"attend"}
"""Lasts as long as a placement and says nothing."""
_place: ContextVar[StepPlace | None] = ContextVar("place", default=None)


def current_place() -> StepPlace | None:
    """Where the step that is carried out now belongs; None outside of steps."""
    return _place.get()


class TracedSteps(Interceptor):
    """For Temporal's workers: both ends of the header, with no span from workflow code."""

    def __init__(self, recorder: Recorder, host: str) -> None:
        self._recorder = recorder
        self._host = host

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Called by Temporal."""
        return _Inbound(next, self._recorder, self._host)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Called by Temporal."""
        return TracedWorkflow


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, recorder: Recorder, host: str) -> None:
        super().__init__(next)
        self._recorder = recorder
        self._host = host

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        place, info = _told(input), activity.info()
        if place is None or info.activity_type in _UNTOLD:
            return await self.next.execute_activity(input)
        token = _place.set(place)
        try:
            attributes: dict[str, str | bool | int | float] = {
                Attribute.TASK.value: place.task_id,
                Attribute.STEP.value: info.activity_type,
                Attribute.ATTEMPT.value: info.attempt,
                Attribute.HOST.value: self._host,
            }
            with self._recorder.span(f"step {info.activity_type}", place.stage, attributes, SpanKind.SERVER):
                return await self.next.execute_activity(input)
        finally:
            _place.reset(token)


def _told(input: ExecuteActivityInput) -> StepPlace | None:
    payload = input.headers.get(HEADER)
    if payload is None:
        return None
    try:
        return StepPlace.model_validate(PayloadConverter.default.from_payload(payload))
    except (ValidationError, ValueError, RuntimeError):
        return None
