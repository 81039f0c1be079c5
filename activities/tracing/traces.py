"""What the steps tell of their work, made into spans. None of it can slow a step down or make it fail."""

import functools
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ParamSpec

from activities.egress.contract import EgressRecord
from activities.sandbox.contract import RunStatus
from activities.tracing.names import Attribute
from activities.tracing.recorder import Recorder
from activities.tracing.run_spans import run_spans
from activities.tracing.steps import current_place
from activities.tracing.task_spans import RevertRecord, revert_span, task_spans
from workflows.models.evidence import CheckOutcome
from workflows.models.run import RunResult
from workflows.models.status import TaskStatus
from workflows.models.steps import RecordOrder
from workflows.models.task import Task
from workflows.models.trace import Span, nanoseconds, run_context, trace_of
from workflows.models.transcript import TranscriptEvent

Arguments = ParamSpec("Arguments")
_log = logging.getLogger(__name__)


def _harmless(function: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """A mistake in tracing is the log's business, not the task's."""

    @functools.wraps(function)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:  # whatever it is, the work that is told of is done and counts
            _log.exception("a span could not be made")

    return guarded


def run_environment(task: Task, run_id: str) -> dict[str, str]:
    """What an agent's CLI needs to know to join the trace, if it takes that."""
    return {"TRACEPARENT": run_context(trace_of(task.id, task.trace), run_id).traceparent}


class Traces:
    """Told by steps of what is over."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @_harmless
    def run_ended(
        self,
        task: Task,
        result: RunResult,
        status: RunStatus,
        events: Sequence[TranscriptEvent],
        records: Sequence[EgressRecord],
    ) -> None:
        """A run of an agent."""
        place = trace_of(task.id, task.trace)
        here = current_place()
        parent = here.stage if here else place
        spans = run_spans(task.id, place, parent, result, status, events, records)
        self._recorder.record_once(f"run-{result.run_id}", spans)

    @_harmless
    def check_ended(self, run_id: str, tree: str, status: RunStatus, outcome: CheckOutcome, backend: str) -> None:
        """One check on one tree, of the task whose step this is."""
        here = current_place()
        if here is None or not status.requested_at or not status.ended_at:
            return
        attributes: dict[str, str | bool | int | float] = {
            Attribute.TASK.value: here.task_id,
            Attribute.CHECK.value: outcome.name,
            Attribute.TREE.value: tree,
            Attribute.TESTS.value: outcome.tests,
            Attribute.TESTS_FAILED.value: len(outcome.failed),
            Attribute.BACKEND.value: backend,
            Attribute.END.value: status.end,
            Attribute.CPU_SECONDS.value: status.usage.cpu_seconds,
            Attribute.MEMORY_BYTES.value: status.usage.memory_peak_bytes,
        }
        if status.exit_code is not None:
            attributes[Attribute.EXIT_CODE.value] = status.exit_code
        span = Span(
            trace_id=here.stage.trace_id,
            span_id=here.task.beside("check", run_id).span_id,
            parent_id=here.stage.span_id,
            name=f"check {outcome.name}",
            start_unix_nano=nanoseconds(status.requested_at),
            end_unix_nano=nanoseconds(max(status.requested_at, status.ended_at)),
            attributes=attributes,
            # That base fails is often the very reason for the task.
            error="" if outcome.passed or tree == "base" else "check-failed",
        )
        self._recorder.record_once(f"check-{run_id}", [span])

    @_harmless
    def recorded(self, order: RecordOrder) -> None:
        """Something went on record; the outcome and a revert close spans that no single step spans."""
        if order.kind == "outcome":
            self._recorder.record_once(f"task-{order.task_id}", task_spans(TaskStatus.model_validate(order.data)))
        elif order.kind == "revert" and (here := current_place()) is not None:
            span = revert_span(here, RevertRecord.model_validate(order.data), datetime.now(UTC))
            self._recorder.record_once(order.entry_id, [span])
