"""The first spans of a trace, and those of every later request about its task: the command's and the gateway's.

They are made when the request is over, since only then it is known which task it was about. The command line has no
exporter of its own: it says when it began, and its span is made here.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Iterator
from typing import Self

from fastapi import Request

from activities.tracing.names import Attribute
from activities.tracing.recorder import Recorder
from activities.tracing.store import SpanStore
from activities.tracing.task_spans import task_spans
from workers.gateway.refusals import Refused
from workflows.models.status import TaskStatus
from workflows.models.trace import (
    Span,
    SpanKind,
    TraceContext,
    admission_context,
    nanoseconds,
    parse_traceparent,
    trace_of,
)

BEGAN = "x-journeyman-began"
"""Header: unix seconds when the command began."""
_LONGEST_COMMAND = 3600.0
_log = logging.getLogger(__name__)


class Asked:
    """One request, from its arrival to its answer."""

    def __init__(self, traceparent: str, began: str) -> None:
        self.caller = parse_traceparent(traceparent)
        """The caller's own span, if it has one."""
        self._arrived = time.time()
        self._began = _moment(began, self._arrived)

    @classmethod
    def of(cls, request: Request) -> Self:
        """Of an HTTP request; a FastAPI dependency."""
        return cls(request.headers.get("traceparent", ""), request.headers.get(BEGAN, ""))

    def propose(self) -> TraceContext:
        """A place for a new task: in the caller's trace, or in a new one."""
        trace_id = self.caller.trace_id if self.caller else secrets.token_hex(16)
        return TraceContext(trace_id=trace_id, span_id=secrets.token_hex(8))

    def spans(self, place: TraceContext, parent_id: str, span: Span, command: str) -> list[Span]:
        """The gateway's span, below the command's if it was one."""
        links = (self.caller.traceparent,) if self.caller and self.caller.trace_id != place.trace_id else ()
        if not self._began:
            return [span.model_copy(update={"parent_id": parent_id, "links": links})]
        outer = span.model_copy(
            update={
                "span_id": place.beside("command", span.span_id).span_id,
                "parent_id": parent_id,
                "name": f"journeyman {command}",
                "kind": SpanKind.CLIENT,
                "start_unix_nano": nanoseconds(self._began),
                "links": links,
            }
        )
        return [outer, span.model_copy(update={"parent_id": outer.span_id})]

    @property
    def arrived(self) -> float:
        """Unix seconds."""
        return self._arrived


class RequestTraces:
    """Puts requests into the traces of the tasks they are about."""

    def __init__(self, store: SpanStore, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder

    async def begin(self, task_id: str, asked: Asked) -> TraceContext:
        """The place of a task's own span, whether it is new or was asked for before."""
        proposed = asked.propose()
        try:
            return await self._store.begin(task_id, proposed)
        except Exception as error:  # without a place on record the task has a trace all the same
            _log.warning("the trace of task %s could not be put on record: %s", task_id, error)
            return proposed

    def admitted(self, task_id: str, place: TraceContext, asked: Asked, person: str, *, new: bool) -> None:
        """A task was asked for; the first time this is what everything else is below."""
        own = admission_context(place).span_id if new else secrets.token_hex(8)
        parent = (asked.caller.span_id if asked.caller else "") if new else place.span_id
        span = self._span(place, own, "/tasks", asked, {Attribute.TASK: task_id, Attribute.PERSON: person})
        spans = asked.spans(place, parent, span, "run")
        self._recorder.record_once(f"admission-{task_id}", spans) if new else self._recorder.record(*spans)

    @contextlib.contextmanager
    def about(self, place: TraceContext, task_id: str, route: str, asked: Asked, action: str) -> Iterator[None]:
        """Around the answer to a request about a task that there is."""
        attributes = {Attribute.TASK: task_id, Attribute.ACTION: action}
        status, error = 200, ""
        try:
            yield
        except BaseException as raised:
            status = raised.status if isinstance(raised, Refused) else 500
            error = type(raised).__name__
            raise
        finally:
            span = self._span(place, secrets.token_hex(8), route, asked, attributes, status=status, error=error)
            self._recorder.record(*asked.spans(place, place.span_id, span, action))

    async def of_task(self, task_id: str) -> TraceContext:
        """The place of a task's own span. Never fails: a decision must not wait for its trace."""
        try:
            return await self._store.of_task(task_id)
        except Exception as error:
            _log.warning("the trace of task %s could not be read: %s", task_id, error)
            return trace_of(task_id, "")

    async def of_status(self, status: TaskStatus) -> list[Span]:
        """Every span of a task that is known now; of an open one also what goes on. Raises ArchiveError."""
        place = trace_of(status.task.id, status.task.trace)
        await asyncio.to_thread(self._recorder.flush)
        recorded = {span.span_id: span for span in await self._store.spans(place.trace_id, status.task.id)}
        living = {span.span_id: span for span in task_spans(status)}
        return sorted((living | recorded).values(), key=lambda span: span.start_unix_nano)

    def _span(
        self,
        place: TraceContext,
        span_id: str,
        route: str,
        asked: Asked,
        attributes: dict[Attribute, str],
        *,
        status: int = 200,
        error: str = "",
    ) -> Span:
        told = {Attribute.HTTP_METHOD: "POST", Attribute.HTTP_ROUTE: route, Attribute.HTTP_STATUS: status}
        if error:
            told[Attribute.ERROR] = error
        return Span(
            trace_id=place.trace_id,
            span_id=span_id,
            name=f"POST {route}",
            kind=SpanKind.SERVER,
            start_unix_nano=nanoseconds(asked.arrived),
            end_unix_nano=nanoseconds(time.time()),
            attributes={str(key): value for key, value in (attributes | told).items()},
            error=error if status >= 500 else "",
        )


def _moment(text: str, arrived: float) -> float:
    """When the command began, if what it says can be true; else 0."""
    try:
        began = float(text)
    except ValueError:
        return 0
    return began if arrived - _LONGEST_COMMAND < began <= arrived else 0
