"""What a reviewer needs to know of a patch: the agent's reasoning in brief, and the evidence."""

from collections.abc import Iterator

from slack_sdk.models.blocks import Block

from activities.chat.slack.formatting import code, shown
from activities.chat.slack.message import said, said_in_lines, unformatted
from workflows.models.ci import CiOutcome
from workflows.models.evidence import Finding, Severity
from workflows.models.gate import Permit
from workflows.models.plural import plural
from workflows.models.status import TaskStatus

_MOST_REASONING = 1200
_MOST_FINDINGS = 8
_MOST_REASONS = 5
_SIGNS = {Severity.BLOCKER: ":no_entry:", Severity.PERSON: ":warning:", Severity.NOTE: ":small_blue_diamond:"}
_MEANS = {
    Permit.PERSON: "leaves it to people",
    Permit.APPROVE: "approves it, and a person merges",
    Permit.MERGE: "approves and merges it",
}


def judged(status: TaskStatus) -> Iterator[Block]:
    """The agent's words first, since they say what to look for; then what was found out without it."""
    if status.run is not None and status.run.summary.strip():
        yield said("*The agent says*, in its own words:")
        yield unformatted(shown(status.run.summary, _MOST_REASONING))
    if found := list(_evidence(status)):
        yield from said_in_lines(("*Evidence*", *found))
    if status.evaluation is not None:
        yield from said_in_lines(_findings(status.evaluation.findings))


def _evidence(status: TaskStatus) -> Iterator[str]:
    if status.evaluation is not None:
        yield f"Checks: {code(status.evaluation.summary or 'none ran', 400)}"
    patch = status.patch
    if patch is not None:
        yield f"Size: {plural(patch.files, 'file')}, +{patch.added} −{patch.removed}, head {code(patch.head[:12])}"
    if status.conflict is not None:
        yield f"In conflict with base: {code(str(status.conflict), 300)}"
    yield from _ci(status)
    yield from _gate(status)


def _ci(status: TaskStatus) -> Iterator[str]:
    ci = status.ci
    if ci is None:
        return
    if ci.told:
        yield f"CI: {code(ci.told, 300)}"
    failing = [check for check in ci.checks if check.outcome is CiOutcome.FAILED][:3]
    yield from (f"    {code(check.name, 100)} {code(check.detail, 200)}" for check in failing if check.detail)
    if ci.unread:
        yield f"CI could not be read as a whole: {code(ci.unread, 300)}"


def _gate(status: TaskStatus) -> Iterator[str]:
    """Its risk; the phase with policy's own verdict comes only after the decision, so that it leads nobody."""
    if status.risk is not None:
        yield f"Risk: *{status.risk.tier}*"
        yield from (f"    {reason.tier}: {code(reason.text, 250)}" for reason in status.risk.reasons[:_MOST_REASONS])
    if status.verdict is not None:
        yield f"Phase {status.verdict.phase}: policy {_MEANS[status.verdict.permits]}"
        yield from (f"    {code(reason, 200)}" for reason in status.verdict.reasons[:_MOST_REASONS])


def _findings(findings: tuple[Finding, ...]) -> Iterator[str]:
    order = list(Severity)
    worst_first = sorted(findings, key=lambda one: order.index(one.severity))
    for one in worst_first[:_MOST_FINDINGS]:
        where = f" {code(f'{one.path}:{one.line}' if one.line else one.path, 120)}" if one.path else ""
        yield f"{_SIGNS[one.severity]} {code(one.rule, 60)}{where} {code(one.message, 200)}"
    if (more := len(findings) - _MOST_FINDINGS) > 0:
        yield f"and {plural(more, 'more finding')}: the evidence has all"
