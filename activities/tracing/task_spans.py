"""A task and its stages as spans, from the status that its workflow keeps; a revert as one, from its record."""

from datetime import datetime, timedelta

from pydantic import BaseModel

from activities.tracing.names import Attribute
from workflows.models.decision import SignedDecision
from workflows.models.pull_request import RevertResult
from workflows.models.status import POLICY, WAITS_FOR, Outcome, TaskStatus
from workflows.models.trace import (
    Span,
    StepPlace,
    TraceContext,
    admission_context,
    nanoseconds,
    stage_context,
    trace_of,
)

_FAILED = {Outcome.FAILED, Outcome.AGENT_FAILED}


class RevertRecord(BaseModel):
    """What the workflow of a revert puts on record."""

    result: RevertResult
    decision: SignedDecision | None = None
    """A person's; None where policy took it back."""


def task_spans(status: TaskStatus) -> list[Span]:
    """The task and its stages. Of an open task, what goes on has no end."""
    place = trace_of(status.task.id, status.task.trace)
    if not status.spans:
        return []
    ended = status.spans[-1].ended if status.outcome is not None else None
    attributes = {
        Attribute.TASK.value: status.task.id,
        Attribute.REPOSITORY.value: status.task.repository.name,
        Attribute.TASK_TYPE.value: status.task.task_type,
        Attribute.PERSON.value: status.task.requester.id,
    }
    if status.outcome is not None:
        attributes[Attribute.OUTCOME.value] = status.outcome
    task = Span(
        trace_id=place.trace_id,
        span_id=place.span_id,
        parent_id=admission_context(place).span_id,
        name="task",
        start_unix_nano=nanoseconds(status.spans[0].started),
        end_unix_nano=nanoseconds(ended) if ended else None,
        attributes=dict(attributes),
        error=status.outcome if status.outcome in _FAILED else "",
    )
    return [task, *_stages(status, place)]


def _stages(status: TaskStatus, place: TraceContext) -> list[Span]:
    spans = []
    for number, span in enumerate(status.spans):
        attributes: dict[str, str | bool | int | float] = {
            Attribute.TASK.value: status.task.id,
            Attribute.STAGE.value: span.stage,
        }
        if span.stage in WAITS_FOR:
            attributes[Attribute.WAITS_FOR.value] = "person"
        spans.append(
            Span(
                trace_id=place.trace_id,
                span_id=stage_context(place, number).span_id,
                parent_id=place.span_id,
                name=f"stage {span.stage}",
                start_unix_nano=nanoseconds(span.started),
                end_unix_nano=nanoseconds(span.ended) if span.ended else None,
                attributes=attributes,
            )
        )
    return spans


def revert_span(place: StepPlace, record: RevertRecord, now: datetime) -> Span:
    """One try to take a merge back, from the person's decision until its result was known."""
    decision = record.decision.decision if record.decision is not None else None
    decided = decision.decided_at if decision is not None else now - timedelta(seconds=record.result.seconds)
    done = record.result.outcome.is_back
    return Span(
        trace_id=place.task.trace_id,
        span_id=place.stage.span_id,
        parent_id=place.task.span_id,
        name="revert",
        start_unix_nano=nanoseconds(decided),
        end_unix_nano=nanoseconds(max(decided, now)),
        attributes={
            Attribute.TASK.value: place.task_id,
            Attribute.PERSON.value: decision.person.id if decision is not None else POLICY,
            Attribute.OUTCOME.value: record.result.outcome,
        },
        error="" if done else record.result.outcome,
    )
