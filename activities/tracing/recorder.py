"""Taking spans off the hands of those who work: queued at once, written and sent from a thread of its own."""

import asyncio
import contextlib
import logging
import queue
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentelemetry import context as otel_context
from opentelemetry import trace

from activities.tracing.measures import Measures
from activities.tracing.names import Attribute
from activities.tracing.otlp import OtlpSender
from activities.tracing.store import SpanStore
from workflows.models.trace import Span, SpanKind, TraceContext

FLUSH_SECONDS = 1.0
"""How long spans are gathered before they are written: what is lost, at most, of a process that is killed."""
CLOSE_SECONDS = 10.0
_MOST_WAITING = 10_000
"""Batches; an archive that does not answer for long costs spans, never memory without end."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Batch:
    trace_id: str
    name: str
    """Empty: gathered with others. Else the name under which it is on record at most once."""
    spans: tuple[Span, ...]


class Recorder:
    """Where every span of this process goes. No call blocks, and none raises on behalf of the archive or of OTLP."""

    def __init__(self, store: SpanStore, otlp: OtlpSender | None = None) -> None:
        self._store = store
        self._otlp = otlp
        self._measures = Measures(otlp.meters) if otlp else None
        self._queue: queue.Queue[_Batch | threading.Event | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False

    def record(self, *spans: Span) -> None:
        """Spans that are over, and that no other process or attempt will tell of."""
        for span in spans:
            self._put(_Batch(span.trace_id, "", (span,)))

    def record_once(self, name: str, spans: Sequence[Span]) -> None:
        """Spans of one trace that a retry may tell of again: on record, sent and measured the first time only."""
        if spans:
            self._put(_Batch(spans[0].trace_id, name, tuple(spans)))

    @contextlib.contextmanager
    def span(
        self, name: str, parent: TraceContext, attributes: dict[str, str | bool | int | float], kind: SpanKind
    ) -> Iterator[TraceContext]:
        """A span around what happens now, which is current for OpenTelemetry meanwhile. Errors pass through it."""
        own = TraceContext(trace_id=parent.trace_id, span_id=secrets.token_hex(8))
        started, began, error = time.time_ns(), time.monotonic_ns(), ""
        token = otel_context.attach(_current(own))
        try:
            yield own
        except BaseException as raised:
            error = _kind_of(raised)
            raise
        finally:
            with contextlib.suppress(ValueError):  # left in another context, as an async generator may be
                otel_context.detach(token)
            self.record(
                Span(
                    trace_id=own.trace_id,
                    span_id=own.span_id,
                    parent_id=parent.span_id,
                    name=name,
                    kind=kind,
                    start_unix_nano=started,
                    end_unix_nano=started + time.monotonic_ns() - began,
                    attributes=attributes | ({Attribute.ERROR.value: error} if error else {}),
                    error=error,
                )
            )

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until what was recorded so far is in the archive. Blocks; False if that took longer."""
        done = threading.Event()
        return not self._thread or (self._put(done) and done.wait(seconds))

    def close(self) -> None:
        """Write and send what waits, for some seconds at most. Blocks."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            self._thread.join(CLOSE_SECONDS)
        if self._otlp is not None:
            self._otlp.close()

    def _put(self, item: _Batch | threading.Event) -> bool:
        if self._closed:
            return False
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="spans", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            return False
        return True

    def _write_all(self) -> None:
        going_on = True
        while going_on:
            gathered, flushed, going_on = self._gather()
            with asyncio.Runner() as runner:
                for batch in gathered:
                    runner.run(self._write(batch))
            for waiting in flushed:
                waiting.set()

    def _gather(self) -> tuple[list[_Batch], list[threading.Event], bool]:
        """What comes within FLUSH_SECONDS after the first; whether there may be more."""
        loose: dict[str, list[Span]] = {}
        named: list[_Batch] = []
        flushed: list[threading.Event] = []
        item = self._queue.get()
        deadline = time.monotonic() + FLUSH_SECONDS
        while item is not None:
            if isinstance(item, threading.Event):
                flushed.append(item)
                break
            if item.name:
                named.append(item)
            else:
                loose.setdefault(item.trace_id, []).extend(item.spans)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                item = self._queue.get(timeout=left)
            except queue.Empty:
                break
        batches = [_Batch(trace_id, "", tuple(spans)) for trace_id, spans in loose.items()]
        return [*named, *batches], flushed, item is not None

    async def _write(self, batch: _Batch) -> None:
        name = batch.name or f"{time.time_ns() // 1_000_000:015d}-{secrets.token_hex(4)}"
        try:
            if not await self._store.write(batch.trace_id, name, batch.spans):
                return
        except Exception as error:  # whatever an object store raises, the work goes on without these spans
            _log.warning("spans of trace %s could not be put on record: %s", batch.trace_id, error)
        try:
            for span in batch.spans:
                if self._otlp is not None:
                    self._otlp.send(span)
                if self._measures is not None:
                    self._measures.take(span)
        except Exception as error:  # a span that can't be sent must not keep others from being written
            _log.warning("spans of trace %s could not be sent: %s", batch.trace_id, error)


def current() -> TraceContext | None:
    """The span that is current for OpenTelemetry, whoever made it."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return TraceContext(trace_id=trace.format_trace_id(context.trace_id), span_id=trace.format_span_id(context.span_id))


def _kind_of(error: BaseException) -> str:
    """What kind of failure, in a word: never its message, which may quote anything."""
    told = getattr(error, "type", None)
    return told if isinstance(told, str) and told.isidentifier() else type(error).__name__


def _current(own: TraceContext) -> otel_context.Context:
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    place = trace.SpanContext(int(own.trace_id, 16), int(own.span_id, 16), is_remote=False, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(place))
