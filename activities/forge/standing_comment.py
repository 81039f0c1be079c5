"""The one comment on a pull request: where it stands, what its CI says, and what a person can do about it."""

from collections.abc import Iterator

from activities.forge.markdown import code, quoted
from workflows.models.ci import CiOutcome, CiReport
from workflows.models.standing import GateCheck, GateState
from workflows.models.task import Task

_MOST_CHECKS = 20
_SAYS = {GateState.WAITING: "Waiting", GateState.PASSED: "Approved", GateState.FAILED: "Not approved"}
_ACTS = {
    GateState.WAITING: ("approve", "request-changes", "reject"),
    GateState.PASSED: ("merge", "withdraw", "request-changes", "reject"),
    GateState.FAILED: ("request-changes", "reject"),
}


def standing_comment(task: Task, check: GateCheck, ci: CiReport | None) -> str:
    """Markdown; what others wrote is shown as code or quoted."""
    return "\n".join(_lines(task, check, ci)) + "\n"


def merged_comment(task: Task, commit: str) -> str:
    """The same once it is merged."""
    return f"**Merged** as {code(commit)}.\n\nTo take it back: {code(f'journeyman revert {task.id}')}\n"


def closed_comment(task: Task, reason: str) -> str:
    """The same once its task has ended without a merge."""
    return f"**Ended** without a merge: {code(reason)}.\n\nAll of it: {code(f'journeyman show {task.id}')}\n"


def _lines(task: Task, check: GateCheck, ci: CiReport | None) -> Iterator[str]:
    yield f"**{_SAYS[check.state]}**: {code(check.title)} on head {code(check.head)}."
    yield ""
    if ci is not None and ci.told:
        yield f"{code(ci.told)}"
        for one in ci.checks[:_MOST_CHECKS]:
            if one.outcome is CiOutcome.FAILED:
                yield f"- {code(one.name)} {code(one.detail)}"
        log = next(((one.name, one.log) for one in ci.checks if one.log), None)
        if log is not None:
            yield f"\n<details><summary>The end of a log, which code under test wrote</summary>\n\n{code(log[0])}\n"
            yield f"{quoted(log[1], len(log[1]))}\n\n</details>"
        yield ""
    if ci is not None and ci.unread:
        yield f"CI could not be read as a whole: {code(ci.unread)}\n"
    yield "What can be done, by whom policy lets: " + ", ".join(
        code(f"journeyman {act} {task.id}") for act in _ACTS[check.state]
    )
