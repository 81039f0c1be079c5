"""Spans in the archive: batches that are only ever added, below `traces/<trace id>/`, one span a line."""

import logging
from collections.abc import Sequence

from pydantic import ValidationError

from activities.archive.objects import Objects
from workflows.models.trace import Span, TraceContext, parse_traceparent, trace_of

_log = logging.getLogger(__name__)


class SpanStore:
    """The traces on record."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def write(self, trace_id: str, batch: str, spans: Sequence[Span]) -> bool:
        """Add a batch. False if there is one by that name: what was to be said is on record already."""
        lines = "".join(f"{span.model_dump_json(exclude_defaults=True)}\n" for span in spans)
        return await self._objects.create(f"traces/{trace_id}/{batch}.jsonl", lines.encode())

    async def spans(self, trace_id: str, task_id: str = "") -> tuple[Span, ...]:
        """Every span of a trace once, by its start; of one task only, where a trace has several. Broken lines are not.

        Spans of one id are one span, whichever batches it is in: the one that says most, which is the last.
        """
        found: dict[str, Span] = {}
        for name in await self._objects.names(f"traces/{trace_id}"):
            for line in (await self._objects.read(name) or b"").splitlines():
                try:
                    span = Span.model_validate_json(line)
                except ValidationError:
                    _log.warning("%s has a line that is no span", name)
                    continue
                if task_id and span.attributes.get("journeyman.task.id", task_id) != task_id:
                    continue
                found[span.span_id] = span
        return tuple(sorted(found.values(), key=lambda span: span.start_unix_nano))

    async def begin(self, task_id: str, proposed: TraceContext) -> TraceContext:
        """The place of a task's own span: the proposed one, or the one that whoever asked first had proposed."""
        name = _name(task_id)
        if await self._objects.create(name, proposed.traceparent.encode()):
            return proposed
        return await self.of_task(task_id)

    async def of_task(self, task_id: str) -> TraceContext:
        """The place of a task's own span, in whichever process and however much later."""
        raw = await self._objects.read(_name(task_id))
        return (parse_traceparent(raw.decode(errors="replace")) if raw else None) or trace_of(task_id, "")


def _name(task_id: str) -> str:
    return f"trace-of-task/{task_id}"
