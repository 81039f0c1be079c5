"""Measures, taken from spans at the one moment when they go on record for the first time."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from activities.tracing.names import MEASURES, Attribute, Measure
from workflows.models.trace import Span

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_USD = 1_000_000
_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)
"""From a tool call to a weekend's wait for a person."""


class Measures:
    """Turns spans into measures. A retried step measures nothing twice, since its spans are on record already."""

    def __init__(self, meters: "MeterProvider") -> None:
        meter = meters.get_meter("journeyman")
        self._record: dict[Measure, Callable[..., None]] = {}
        for measure, (kind, unit, meaning) in MEASURES.items():
            if kind == "counter":
                self._record[measure] = meter.create_counter(measure, unit=unit, description=meaning).add
            else:
                bounds = _SECONDS if unit == "s" else None
                self._record[measure] = meter.create_histogram(
                    measure, unit=unit, description=meaning, explicit_bucket_boundaries_advisory=bounds
                ).record

    def take(self, span: Span) -> None:
        """What one span that is over says."""
        attributes = span.attributes
        seconds = ((span.end_unix_nano or span.start_unix_nano) - span.start_unix_nano) / 1e9
        name = span.name.partition(" ")[0]
        match name:
            case "task":
                self._note(Measure.TASKS, 1, span, Attribute.OUTCOME, Attribute.TASK_TYPE)
            case "stage":
                self._note(Measure.STAGE_SECONDS, seconds, span, Attribute.STAGE)
            case "invoke_agent":
                self._note(Measure.RUN_SECONDS, seconds, span, Attribute.AGENT, Attribute.END)
                self._note(Measure.SANDBOXES, 1, span, Attribute.BACKEND)
            case "check":
                self._note(Measure.SANDBOXES, 1, span, Attribute.BACKEND)
            case "sandbox":
                self._note(Measure.SANDBOX_SECONDS, seconds, span, Attribute.BACKEND)
            case "execute_tool":
                self._note(Measure.TOOL_SECONDS, seconds, span, Attribute.TOOL)
            case "egress" if span.name == "egress refused":
                self._note(Measure.REFUSED, 1, span, Attribute.RULE)
            case "chat":
                self._note(Measure.REQUEST_SECONDS, seconds, span, Attribute.MODEL, Attribute.OPERATION)
                self._tokens(span)
                self._note(Measure.COST, float(attributes.get(Attribute.MICRO_USD, 0)) / _USD, span, Attribute.MODEL)

    def _tokens(self, span: Span) -> None:
        for kind, attribute in (("input", Attribute.INPUT_TOKENS), ("output", Attribute.OUTPUT_TOKENS)):
            if attribute in span.attributes:
                labels = {"gen_ai.token.type": kind, **self._labels(span, Attribute.MODEL, Attribute.OPERATION)}
                self._record[Measure.TOKENS](span.attributes[attribute], labels)

    def _note(self, measure: Measure, value: float, span: Span, *labels: Attribute) -> None:
        self._record[measure](value, self._labels(span, *labels))

    def _labels(self, span: Span, *names: Attribute) -> dict[str, Any]:
        return {str(name): span.attributes[name] for name in names if name in span.attributes}
