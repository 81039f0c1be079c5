"""Traces: one per task, from the request that began it to its revert, in W3C trace context's terms.

Most spans are made after the fact, by whichever process learns of it. Their ids are made from what they are, so that a
retried step, or another worker, makes the same span again rather than a second one.
"""

import hashlib
import re
from datetime import datetime
from enum import StrEnum

from workflows.models.base import Model

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


class TraceContext(Model):
    """A place in a trace: which trace, and which span is the parent there."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""

    @property
    def traceparent(self) -> str:
        """As W3C trace context writes it; always sampled, since every task counts."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def beside(self, *parts: object) -> "TraceContext":
        """The place of another span of this trace, by what that span is."""
        return TraceContext(trace_id=self.trace_id, span_id=derived_id(self.trace_id, *parts))


class StepPlace(Model):
    """Where a step belongs, as its workflow tells it."""

    task_id: str
    task: TraceContext
    """The task's own span."""
    stage: TraceContext
    """The span that the step is below."""


class SpanKind(StrEnum):
    """OpenTelemetry's span kinds, those that occur here."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Span(Model):
    """One thing that took time. Holds names, counts, sizes and codes; never what was asked, said or written."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str
    kind: SpanKind = SpanKind.INTERNAL
    start_unix_nano: int
    end_unix_nano: int | None = None
    """None while it goes on; such spans are shown and never stored."""
    attributes: dict[str, str | bool | int | float] = {}
    error: str = ""
    """What kind of failure it was, in a word; empty if it was none."""
    links: tuple[str, ...] = ()
    """Traceparents of spans elsewhere that this one belongs with."""


def parse_traceparent(text: str) -> TraceContext | None:
    """The place that a traceparent names; None if it is not one of version 00."""
    matched = _TRACEPARENT.fullmatch(text.strip())
    return TraceContext(trace_id=matched[1], span_id=matched[2]) if matched else None


def derived_id(*parts: object, digits: int = 16) -> str:
    """An id made from what it stands for: 16 digits for a span, 32 for a trace."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:digits]


def trace_of(task_id: str, traceparent: str) -> TraceContext:
    """The place of a task's own span. A task from before there were traces has one made from its id."""
    found = parse_traceparent(traceparent)
    return found or TraceContext(
        trace_id=derived_id("task", task_id, digits=32), span_id=derived_id("task", task_id, "span")
    )


def admission_context(task: TraceContext) -> TraceContext:
    """The place of the request that began a task, which its own span is below."""
    return task.beside("admission", task.span_id)


def stage_context(task: TraceContext, number: int) -> TraceContext:
    """The place of a task's stage; `number` counts from 0 as the stages were passed through."""
    return task.beside("stage", task.span_id, number)


def run_context(task: TraceContext, run_id: str) -> TraceContext:
    """The place of an agent's run."""
    return task.beside("run", run_id)


def revert_context(task: TraceContext, workflow_run_id: str) -> TraceContext:
    """The place of one try to take the task's merge back."""
    return task.beside("revert", workflow_run_id)


def nanoseconds(moment: datetime | float) -> int:
    """Unix nanoseconds, of a datetime or of unix seconds."""
    seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    return round(seconds * 1_000_000) * 1000
