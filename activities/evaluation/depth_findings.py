"""Findings of the deeper look: tests that can't make up their mind, changed code that no check runs or would miss."""

from collections.abc import Iterator, Sequence

from activities.evaluation.checks import CheckedTree
from activities.evaluation.depth.code import Statement
from activities.evaluation.depth.lines_run import is_run
from activities.evaluation.depth.repeats import flaky_checks, flaky_tests
from activities.evaluation.judged import Judged
from activities.evaluation.paths import shown
from activities.evaluation.quoting import without_secrets
from workflows.models.evidence import Finding, Severity

_RANGES = 12


def flaky(judged: Judged) -> Iterator[Finding]:
    """Tests, or whole checks, that passed and failed on one and the same tree."""
    sides: tuple[tuple[str, Sequence[CheckedTree]], ...] = (
        ("on base", (judged.base, *judged.again.base)),
        ("with the patch", (judged.patched, *judged.again.patched)),
    )
    named: set[str] = set()
    for side, runs in sides:
        for check, test in flaky_tests(runs):
            named.add(check)
            message = f"{test} ({check}) passed and failed {side}, {len(runs)} runs in all, so it shows nothing"
            yield Finding(rule="flaky-test", severity=Severity.PERSON, message=message)
        for check in flaky_checks(runs):
            if check not in named:
                message = f"check {check!r} passed and failed {side}, {len(runs)} runs in all, so it shows nothing"
                yield Finding(rule="flaky-test", severity=Severity.PERSON, message=message)


def not_run(judged: Judged) -> Iterator[Finding]:
    """Changed statements that no check runs."""
    coverage = judged.again.coverage
    if coverage is None or coverage.unknown:
        return
    if coverage.statements and not coverage.run:
        message = f"no check runs any of the {coverage.statements} changed statements, so none says anything about them"
        yield Finding(rule="changed-code-not-run", severity=Severity.PERSON, message=message)
    for path, changed in judged.again.code.items():
        if path not in judged.again.run.measured:
            continue
        lines = judged.again.run.places.get(path, set())
        missed = [statement for statement in changed.statements if not is_run(statement, lines)]
        if missed:
            message = (
                f"no check runs {len(missed)} of its {len(changed.statements)} changed statements: {_lines(missed)}"
            )
            yield Finding(
                rule="lines-not-run", severity=Severity.NOTE, message=message, path=shown(path), line=missed[0].line
            )


def unnoticed_faults(judged: Judged) -> Iterator[Finding]:
    """Changed lines in which checks do not notice a fault."""
    if judged.trials is None:
        return
    for path, line, mutants in judged.trials.unnoticed():
        what = without_secrets("; ".join(mutant.what for mutant in mutants))
        message = f"the checks pass with a fault here: {what}"
        yield Finding(rule="mutant-survived", severity=Severity.NOTE, message=message, path=shown(path), line=line)
    result = judged.trials.result()
    if result.tried and not result.noticed:
        message = f"the checks notice none of {result.tried} faults that were put into changed lines"
        yield Finding(rule="no-mutant-noticed", severity=Severity.PERSON, message=message)


def _lines(statements: list[Statement]) -> str:
    ranges: list[tuple[int, int]] = []
    for statement in statements:
        if ranges and statement.line <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], statement.end))
        else:
            ranges.append((statement.line, statement.end))
    told = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[:_RANGES])
    return f"lines {told}" + (f" and {len(ranges) - _RANGES} more places" if len(ranges) > _RANGES else "")
