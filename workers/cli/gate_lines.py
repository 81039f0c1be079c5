"""What the gate says of a patch, in lines for a terminal."""

from collections.abc import Iterator

from rich.markup import escape

from workflows.models.ci import CiOutcome, CiReport
from workflows.models.gate import Permit
from workflows.models.status import TaskStatus
from workflows.models.watch import WatchResult

_MOST_FAILING, _LOG_LINES = 5, 10
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


def ci_lines(ci: CiReport | None) -> Iterator[str]:
    """What the forge's CI says of the head, with the end of the first failing job's log."""
    if ci is None:
        return
    if ci.told:
        yield f"CI          {escape(ci.told)}"
    for check in ci.checks[:_MOST_FAILING]:
        if check.outcome is CiOutcome.FAILED:
            yield f"              {escape(check.name)}: {escape(check.detail)} {escape(check.link)}".rstrip()
    log = next((check.log for check in ci.checks if check.log), "")
    if log:
        yield "              the end of its log, which code under test wrote:"
        yield from (f"              | {escape(line)}" for line in log.splitlines()[-_LOG_LINES:])
    if ci.unread:
        yield f"              not all of it could be read: {escape(ci.unread)}"


def watch_line(watch: WatchResult) -> str:
    """What came of watching base after a merge."""
    red = watch.red
    if red is None:
        return f"base        {watch.outcome}: nothing turned bad while it was watched"
    why = f"{escape(red.name)} turned bad on {red.commit[:12]} {escape(red.detail)}".strip()
    stuck = f"; {escape(watch.revert.detail)}" if watch.revert is not None and watch.revert.detail else ""
    return f"base        {watch.outcome}: {why}{stuck}"
