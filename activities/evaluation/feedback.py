"""What an agent is told about a patch that was not accepted, and the one line that people see."""

from activities.agents.plain_text import plain
from activities.evaluation.checks import CheckedTree
from activities.evaluation.outcome_findings import CHECK_NEVER_FOUND
from workflows.models.evidence import Evidence, Finding, Severity

MOST_CHARS = 16_000
OUTPUT_CHARS = 4_000
"""Of the end of each failed check's output: where test runners put their summary."""


def feedback(findings: tuple[Finding, ...], patched: CheckedTree, guarded: CheckedTree) -> str | None:
    """Plain text for the next round; None if nothing blocks, or nothing that another round could mend.

    Output in it was written by code under test.
    """
    blockers = [finding for finding in findings if finding.severity is Severity.BLOCKER]
    if all(finding.rule == CHECK_NEVER_FOUND for finding in blockers):
        return None
    parts = ["Your patch was not accepted:", *(f"- {_line(finding)}" for finding in blockers)]
    concerns = [finding for finding in findings if finding.severity is Severity.PERSON]
    if concerns:
        parts += ["", "A person will be asked about this; avoid it if the task allows:"]
        parts += [f"- {_line(finding)}" for finding in concerns[:20]]
    failed = {outcome.name for outcome in patched.run.outcomes if not outcome.passed}
    for name in sorted(failed):
        parts += ["", f"The end of what check {name!r} printed:", patched.tails.get(name, "")[-OUTPUT_CHARS:]]
    for outcome in guarded.run.outcomes:
        if not outcome.passed and outcome.name not in failed:
            tail = guarded.tails.get(outcome.name, "")[-OUTPUT_CHARS:]
            parts += ["", f"The end of what check {outcome.name!r} printed with base's tests:", tail]
    return plain("\n".join(parts), MOST_CHARS) + "\n"


def summary(evidence: Evidence) -> str:
    """One line such as `1 test turned green, 14 of 14 pass, 3 of 3 changed statements run, 2 of 2 faults noticed`."""
    parts: list[str] = []
    patched, green = evidence.patched, len(evidence.turned)
    if green:
        parts.append(f"{green} {'test' if green == 1 else 'tests'} turned green")
    total = sum(outcome.tests for outcome in patched.outcomes)
    if total:
        failed = sum(len(outcome.failed) for outcome in patched.outcomes)
        parts.append(f"{total - failed} of {total} pass")
    elif patched.outcomes:
        passed = sum(outcome.passed for outcome in patched.outcomes)
        parts.append(f"{passed} of {len(patched.outcomes)} checks pass")
    else:
        parts.append("no checks")
    if not patched.passed and patched.outcomes:
        parts.append("checks fail: " + ", ".join(outcome.name for outcome in patched.outcomes if not outcome.passed))
    if evidence.coverage is not None and evidence.coverage.statements:
        parts.append(f"{evidence.coverage.run} of {evidence.coverage.statements} changed statements run")
    if evidence.mutation is not None and evidence.mutation.tried:
        parts.append(f"{evidence.mutation.noticed} of {evidence.mutation.tried} faults noticed")
    blockers = sum(finding.severity is Severity.BLOCKER for finding in evidence.findings)
    concerns = sum(finding.severity is Severity.PERSON for finding in evidence.findings)
    if blockers:
        parts.append(f"{blockers} {'blocker' if blockers == 1 else 'blockers'}")
    if concerns:
        parts.append(f"{concerns} for a person to look at")
    return plain(", ".join(parts), 500)


def _line(finding: Finding) -> str:
    where = f"{finding.path}:{finding.line} " if finding.line else f"{finding.path} " if finding.path else ""
    return f"{where}{finding.message} [{finding.rule}]"
