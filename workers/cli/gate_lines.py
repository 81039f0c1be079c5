"""What the gate says of a patch, in lines for a terminal."""

from collections.abc import Iterator

from rich.markup import escape

from workflows.models.gate import Permit
from workflows.models.status import TaskStatus

_MEANS = {
    Permit.PERSON: "leaves it to people",
    Permit.APPROVE: "approves it, and a person merges",
    Permit.MERGE: "approves and merges it",
}


def gate_lines(status: TaskStatus) -> Iterator[str]:
    """Risk with its reasons; who has approved; policy's own verdict where it may be told."""
    if status.risk is not None:
        first, *rest = status.risk.reasons or (None,)
        yield f"risk        {status.risk.tier}" + (f": {escape(first.text)}" if first is not None else "")
        for reason in rest:
            if reason is not None:
                yield f"              {reason.tier}: {escape(reason.text)}"
    if status.approved_by:
        yield f"approved    by {escape(', '.join(status.approved_by))}"
    if status.verdict is not None:
        yield f"policy      {_MEANS[status.verdict.permits]} (phase {status.verdict.phase})"
        for reason_text in status.verdict.reasons:
            yield f"              {escape(reason_text)}"
