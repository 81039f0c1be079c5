"""What a run did, as spans: from its status, its transcript and the gateway's records, after it has ended.

All three were influenced by the agent, so everything is bounded, and of texts only names that look like names are used.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from activities.egress.contract import EgressRecord
from activities.sandbox.contract import RunStatus
from activities.tracing.names import Attribute
from workflows.models.run import RunEnd, RunResult
from workflows.models.trace import Span, SpanKind, TraceContext, nanoseconds, run_context
from workflows.models.transcript import EventKind, TranscriptEvent
from workflows.models.usage import Metered

MOST_REQUESTS = 5_000
MOST_TOOL_CALLS = 5_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/@-]{0,63}")
Attributes = dict[str, str | bool | int | float]


def run_spans(
    task_id: str,
    task: TraceContext,
    stage: TraceContext,
    result: RunResult,
    status: RunStatus,
    events: Sequence[TranscriptEvent],
    records: Sequence[EgressRecord],
) -> list[Span]:
    """The run and everything below it; nothing if its times are not known. The same run gives the same spans."""
    if not status.requested_at or not status.ended_at:
        return []
    builder = _Builder(task_id, run_context(task, result.run_id), status.requested_at, status.ended_at)
    requests = [builder.request(number, record) for number, record in enumerate(records[:MOST_REQUESTS])]
    tools = list(builder.tools(events))
    left_out = max(0, len(records) - MOST_REQUESTS) + max(0, len(tools) - MOST_TOOL_CALLS)
    run = _run(builder, stage, result, status, left_out)
    start = builder.span("start", "sandbox start", status.requested_at, status.started_at or status.ended_at)
    start = start.model_copy(update={"attributes": start.attributes | {Attribute.BACKEND.value: result.backend}})
    return [run, start, *requests, *tools[:MOST_TOOL_CALLS]]


def looks_like_a_name(text: str) -> bool:
    """Whether a text that an agent or a provider chose can stand in a span."""
    return _NAME.fullmatch(text) is not None


def _run(builder: "_Builder", stage: TraceContext, result: RunResult, status: RunStatus, left_out: int) -> Span:
    attributes: Attributes = {
        Attribute.TASK: builder.task_id,
        Attribute.RUN: result.run_id,
        Attribute.OPERATION: "invoke_agent",
        Attribute.AGENT: result.agent,
        Attribute.BACKEND: result.backend,
        Attribute.END: result.end,
        Attribute.OUTPUT_BYTES: status.usage.output_bytes,
        Attribute.CPU_SECONDS: status.usage.cpu_seconds,
        Attribute.MEMORY_BYTES: status.usage.memory_peak_bytes,
    }
    if status.exit_code is not None:
        attributes[Attribute.EXIT_CODE] = status.exit_code
    if left_out:
        attributes[Attribute.LEFT_OUT] = left_out
    metered = result.metered
    if metered.requests:
        attributes |= _usage(metered)
    failed = result.end if result.end is not RunEnd.EXITED else "" if result.succeeded else "agent-failed"
    return Span(
        trace_id=builder.place.trace_id,
        span_id=builder.place.span_id,
        parent_id=stage.span_id,
        name=f"invoke_agent {result.agent}",
        kind=SpanKind.CLIENT,
        start_unix_nano=nanoseconds(status.requested_at),
        end_unix_nano=nanoseconds(max(status.requested_at, status.ended_at)),
        attributes={str(key): value for key, value in attributes.items()},
        error=failed,
    )


class _Builder:
    """Makes spans below one run, each within its time."""

    def __init__(self, task_id: str, place: TraceContext, began: float, ended: float) -> None:
        self.task_id = task_id
        self.place = place
        self._began, self._ended = began, max(began, ended)

    def span(
        self, what: str, name: str, start: float, end: float, attributes: Attributes | None = None, error: str = ""
    ) -> Span:
        """A span by what it is; times outside the run's are a clock's fault or worse, and are moved to its edges."""
        start = min(max(start, self._began), self._ended)
        end = min(max(end, start), self._ended)
        return Span(
            trace_id=self.place.trace_id,
            span_id=self.place.beside(self.place.span_id, what).span_id,
            parent_id=self.place.span_id,
            name=name,
            kind=SpanKind.CLIENT if what.startswith("request") else SpanKind.INTERNAL,
            start_unix_nano=nanoseconds(start),
            end_unix_nano=nanoseconds(end),
            attributes={Attribute.TASK.value: self.task_id, **{str(k): v for k, v in (attributes or {}).items()}},
            error=error,
        )

    def request(self, number: int, record: EgressRecord) -> Span:
        """One request by the gateway's record."""
        start = _moment(record.time) or self._began
        end = start + record.duration_ms / 1000
        method = record.method if record.method.isalpha() and len(record.method) < 20 else "request"
        attributes: Attributes = {
            Attribute.HTTP_METHOD: method,
            Attribute.REQUEST_BYTES: record.bytes_sent,
            Attribute.RESPONSE_BYTES: record.bytes_received,
            Attribute.RULE: _rule(record),
        }
        if record.status:
            attributes[Attribute.HTTP_STATUS] = record.status
        if not record.allowed:
            # Whatever name was asked for may be a message to somebody; the egress record in the archive has it.
            return self.span(f"request {number}", "egress refused", start, end, attributes, "refused")
        attributes |= _server(record)
        failed = str(record.status) if record.status >= 400 else ""
        if not record.model and record.metered is None:
            return self.span(f"request {number}", f"egress {method}", start, end, attributes, failed)
        named = record.model if looks_like_a_name(record.model) else "model"
        attributes |= {Attribute.OPERATION: "chat", Attribute.MODEL: named}
        if record.metered is not None:
            attributes |= _usage(record.metered)
        return self.span(f"request {number}", f"chat {named}", start, end, attributes, failed)

    def tools(self, events: Sequence[TranscriptEvent]) -> Iterable[Span]:
        """One span for each tool call whose time is known."""
        for number, (call, result) in enumerate(paired(events)):
            if not call.at:
                continue
            tool = call.tool if looks_like_a_name(call.tool) else "tool"
            attributes: Attributes = {Attribute.OPERATION: "execute_tool", Attribute.TOOL: tool}
            known = result is not None and bool(result.at)
            if not known:
                attributes[Attribute.UNFINISHED] = True
            end = result.at if result is not None and result.at else self._ended
            error = "tool-error" if result is not None and result.is_error else ""
            yield self.span(f"tool {number}", f"execute_tool {tool}", call.at, end, attributes, error)


def paired(events: Iterable[TranscriptEvent]) -> list[tuple[TranscriptEvent, TranscriptEvent | None]]:
    """Each tool call with its result: by the CLI's id, else by the tool's name, else in order."""
    pairs: list[tuple[TranscriptEvent, TranscriptEvent | None]] = []
    open_calls: list[int] = []
    for event in events:
        if event.kind is EventKind.TOOL_CALL:
            open_calls.append(len(pairs))
            pairs.append((event, None))
        elif event.kind is EventKind.TOOL_RESULT and open_calls:
            chosen = _matching(event, [(place, pairs[place][0]) for place in open_calls[:_SIDE_BY_SIDE]])
            open_calls.remove(chosen)
            pairs[chosen] = (pairs[chosen][0], event)
    return pairs


_SIDE_BY_SIDE = 64
"""Open calls that a result is looked for among; an agent that reports no results costs no more time for that."""


def _matching(result: TranscriptEvent, calls: list[tuple[int, TranscriptEvent]]) -> int:
    by_id = [place for place, call in calls if result.call and call.call == result.call]
    by_tool = [place for place, call in calls if result.tool and call.tool == result.tool]
    return (by_id or by_tool or [calls[0][0]])[0]


def _usage(metered: Metered) -> Attributes:
    """Tokens and money; input as a provider's dashboards count it, with what the cache had."""
    cached, written = metered.cache_read_tokens, metered.cache_write_tokens
    return {
        Attribute.INPUT_TOKENS: metered.input_tokens + cached + written,
        Attribute.OUTPUT_TOKENS: metered.output_tokens,
        Attribute.CACHE_READ_TOKENS: cached,
        Attribute.CACHE_WRITE_TOKENS: written,
        Attribute.MICRO_USD: metered.micro_usd,
    }


def _server(record: EgressRecord) -> Attributes:
    """Where it went, unless part of the name was the agent's to choose."""
    if "*" in record.rule:
        return {}
    host, _, port = record.host.rpartition(":")
    return {Attribute.SERVER: host, Attribute.PORT: int(port)} if host and port.isdecimal() else {}


def _rule(record: EgressRecord) -> str:
    return record.rule[:100] or "none"


def _moment(text: str) -> float:
    """Unix seconds of an RFC 3339 time; 0 if it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0
