"""Sending spans and measures by OTLP over HTTP. The SDK and its exporters are loaded only where that is configured."""

import os
import threading
import time
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING

from workflows.models.trace import Span, SpanKind, parse_traceparent

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

_STANDARD = "OTEL_EXPORTER_OTLP{}_ENDPOINT"
_QUEUE = 20_000
"""Spans that wait to be sent; beyond, when the receiver is away, the oldest are dropped."""
_TRY_SECONDS = 5.0
"""One try to send a batch, its repetitions included; and what anybody waits for at most when a process ends."""
_METRICS_SECONDS = 15.0
SCOPE = "journeyman"


def is_configured(endpoint: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether anything is to be sent: by our setting, or by OpenTelemetry's own variables."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return bool(endpoint) or any(environment.get(_STANDARD.format(part)) for part in ("", "_TRACES", "_METRICS"))


class OtlpSender:
    """Queues what is to be sent and sends it from threads of its own; nothing here blocks or raises."""

    def __init__(self, endpoint: str, host: str) -> None:
        """`endpoint`: base URL, to which `/v1/traces` and `/v1/metrics` are added; empty takes the OTEL_ variables'."""
        # Loaded here, since most processes send nothing.
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        base = endpoint.rstrip("/")
        traces, metrics = (f"{base}/v1/traces", f"{base}/v1/metrics") if base else (None, None)
        self._resource = _resource(host)
        self._spans = BatchSpanProcessor(
            OTLPSpanExporter(endpoint=traces, timeout=_TRY_SECONDS),
            max_queue_size=_QUEUE,
            max_export_batch_size=512,
            schedule_delay_millis=1000,
        )
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=metrics, timeout=_TRY_SECONDS),
            export_interval_millis=_METRICS_SECONDS * 1000,
            export_timeout_millis=_TRY_SECONDS * 1000,
        )
        self._meters = MeterProvider(metric_readers=[reader], resource=self._resource, shutdown_on_exit=False)

    @property
    def meters(self) -> "MeterProvider":
        """Where instruments come from."""
        return self._meters

    def send(self, span: Span) -> None:
        """Queue a span that is over."""
        self._spans.on_end(readable(span, self._resource))

    def close(self) -> None:
        """Send what waits, for some seconds at most; what a receiver that is away does not take by then is lost."""
        closing = [
            threading.Thread(target=close, daemon=True) for close in (self._spans.shutdown, self._meters.shutdown)
        ]
        deadline = time.monotonic() + _TRY_SECONDS
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0, deadline - time.monotonic()))


def readable(span: Span, resource: "Resource") -> "ReadableSpan":
    """The span as the SDK's exporters take it."""
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415

    kinds = {
        SpanKind.SERVER: trace.SpanKind.SERVER,
        SpanKind.CLIENT: trace.SpanKind.CLIENT,
        SpanKind.INTERNAL: trace.SpanKind.INTERNAL,
    }
    links = [found for text in span.links if (found := parse_traceparent(text))]
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id),
        parent=_context(span.trace_id, span.parent_id) if span.parent_id else None,
        resource=resource,
        attributes=dict(span.attributes),
        links=[trace.Link(_context(link.trace_id, link.span_id)) for link in links],
        kind=kinds[span.kind],
        status=trace.Status(trace.StatusCode.ERROR, span.error) if span.error else trace.Status(),
        start_time=span.start_unix_nano,
        end_time=span.end_unix_nano,
        instrumentation_scope=InstrumentationScope(SCOPE, metadata.version("journeyman")),
    )


def _context(trace_id: str, span_id: str) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415

    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))


def _resource(host: str) -> "Resource":
    """Who sends. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415

    own = {"service.name": "journeyman", "service.version": metadata.version("journeyman"), "host.name": host}
    return Resource(own).merge(OTELResourceDetector().detect())
