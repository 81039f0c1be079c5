"""Findings by what the checks said: before the patch, with base's tests, and with the patch's own.

Names of tests come from reports that code under test wrote. So they can make a result worse, or explain a failure that
base has too; they never turn a failed check into a passed one.
"""

from collections.abc import Collection, Iterator

from activities.evaluation.checks import CheckedTree
from activities.evaluation.judged import Judged
from workflows.models.evidence import CheckOutcome, Finding, Severity, TestOutcome
from workflows.models.run import RunEnd

TURNED_NAMED = 200
_TEST_FIX = "test-fix"
"""The task type whose patches have to turn something."""
_NOT_FOUND = (126, 127)
CHECK_NEVER_FOUND = "check-never-found"
"""Rule of a check whose command is on base no more than on the patch: nothing that an agent may change mends it."""
"""A shell's exit codes for a command that can't be executed or isn't there (POSIX, 2.8.2)."""
_LIMITS = {
    RunEnd.DEADLINE: "did not end within {wall:g} s",
    RunEnd.MEMORY: "used more memory than a check may",
    RunEnd.PROCESSES: "started more processes than a check may",
    RunEnd.DISK: "wrote more to disk than a check may",
    RunEnd.OUTPUT: "wrote more output than a check may",
}


def turned(base: CheckedTree, patched: CheckedTree, flaky: Collection[tuple[str, str]] = ()) -> tuple[str, ...]:
    """Tests that failed on base and pass on the patch, but for those flaky (check, test); at most TURNED_NAMED."""
    names = (
        test if len(base.tests) < 2 else f"{check}: {test}"
        for check, outcomes in sorted(patched.tests.items())
        for test, outcome in sorted(outcomes.items())
        if outcome is TestOutcome.PASSED
        and base.tests.get(check, {}).get(test) is TestOutcome.FAILED
        and (check, test) not in flaky
    )
    return tuple(name for name, _ in zip(names, range(TURNED_NAMED), strict=False))


def failing_checks(judged: Judged) -> Iterator[Finding]:
    """Checks that the patch does not pass."""
    if not judged.policy.checks:
        message = (
            "no checks are known for this repository, so nothing ran the patch: name them in .journeyman/team.toml on "
            "the base branch"
        )
        yield Finding(rule="no-checks", severity=Severity.PERSON, message=message)
    before = _by_name(judged.base)
    for outcome in judged.patched.run.outcomes:
        if outcome.passed:
            continue
        if _failed_before(judged, outcome):
            message = (
                f"check {outcome.name!r} fails only in tests that fail on base too: {_some(_failed(judged, outcome))}"
            )
            yield Finding(rule="pre-existing-failures", severity=Severity.NOTE, message=message)
        else:
            yield _failure(judged, before.get(outcome.name), outcome)
    missing = {check.name for check in judged.policy.checks} - set(_by_name(judged.patched))
    for name in sorted(missing):
        yield Finding(
            rule="check-failed", severity=Severity.BLOCKER, message=f"check {name!r} was not run on the patch"
        )


def nothing_turned(judged: Judged) -> Iterator[Finding]:
    """A patch that mends none of what fails on base: that is all a test-fix is for, and odd for anything else."""
    is_fix = judged.task.task_type == _TEST_FIX
    failing = {name for name, outcome in _by_name(judged.base).items() if not outcome.passed}
    if not failing:
        if is_fix and judged.policy.checks:
            message = "every check passes on base, so nothing shows that the patch mends a test"
            yield Finding(rule="nothing-to-turn", severity=Severity.PERSON, message=message)
        return
    green = {name for name, outcome in _by_name(judged.patched).items() if outcome.passed}
    if failing & green or turned(judged.base, judged.patched):
        return
    message = f"nothing that fails on base passes with the patch: {_some(sorted(failing))}"
    yield Finding(rule="nothing-turned", severity=Severity.BLOCKER if is_fix else Severity.PERSON, message=message)


def broken_tests(judged: Judged) -> Iterator[Finding]:
    """Tests that passed on base and fail with the patch."""
    for check, tests in judged.patched.tests.items():
        before = judged.base.tests.get(check, {})
        for name, outcome in tests.items():
            if (
                outcome is TestOutcome.FAILED
                and before.get(name) is TestOutcome.PASSED
                and not _fails_on_base(judged, check, name)
            ):
                message = f"{name} ({check}) passed on base and fails with the patch"
                yield Finding(rule="test-broken", severity=Severity.BLOCKER, message=message)


def lost_tests(judged: Judged) -> Iterator[Finding]:
    """Tests that base has and that no longer say anything. Not outweighed by any exit status."""
    for check, before in judged.base.tests.items():
        after = judged.patched.tests.get(check, {})
        for name, outcome in before.items():
            if name not in after:
                message = f"{name} ({check}) ran on base and is gone with the patch: deleted, renamed or not collected"
                yield Finding(rule="test-vanished", severity=Severity.PERSON, message=message)
            elif after[name] is TestOutcome.SKIPPED and outcome is not TestOutcome.SKIPPED:
                message = f"{name} ({check}) ran on base and is skipped with the patch"
                yield Finding(rule="test-skipped", severity=Severity.PERSON, message=message)


def only_with_its_own_tests(judged: Judged) -> Iterator[Finding]:
    """What passes only because the patch brought its own tests, or its own way to run them."""
    guarded = _by_name(judged.guarded)
    for outcome in judged.patched.run.outcomes:
        with_base = guarded.get(outcome.name)
        failed = [
            name
            for name, found in judged.guarded.tests.get(outcome.name, {}).items()
            if found is TestOutcome.FAILED
            and judged.patched.tests.get(outcome.name, {}).get(name) is not TestOutcome.FAILED
        ]
        if (outcome.passed and (with_base is None or not with_base.passed)) or failed:
            reason = f" ({_some(failed)})" if failed else ""
            message = (
                f"check {outcome.name!r} fails{reason} with base's tests and definitions, and not with the patch's"
            )
            yield Finding(rule="passes-only-with-its-own-tests", severity=Severity.PERSON, message=message)


def missing_reports(judged: Judged) -> Iterator[Finding]:
    """Checks that should name their tests and did not: nothing can be compared then."""
    for label, tree in (("base", judged.base), ("the patch", judged.patched)):
        for check in judged.policy.checks:
            if check.junit and not tree.tests.get(check.name):
                problem = tree.problems.get(check.name, "no test is named in it")
                message = f"check {check.name!r} left no usable report on {label}: {problem}"
                yield Finding(rule="no-test-report", severity=Severity.PERSON, message=message)


def _failure(judged: Judged, before: CheckOutcome | None, outcome: CheckOutcome) -> Finding:
    limit = _LIMITS.get(outcome.end)
    red = "; it fails on base too" if before is not None and not before.passed else ""
    if limit is not None:
        what = limit.format(wall=judged.policy.check_limits.wall_seconds)
        rule = "check-hung" if outcome.end is RunEnd.DEADLINE else "check-over-limit"
        return Finding(rule=rule, severity=Severity.BLOCKER, message=f"check {outcome.name!r} {what}{red}")
    if outcome.exit_code in _NOT_FOUND:
        setup = "" if judged.has_layer else "; no set-up installed anything, see [setup] in .journeyman/team.toml"
        message = f"check {outcome.name!r} could not be started: its command is not there{setup}{red}"
        absent = before is not None and before.exit_code in _NOT_FOUND
        rule = CHECK_NEVER_FOUND if absent else "check-not-found"
        return Finding(rule=rule, severity=Severity.BLOCKER, message=message)
    failed = _failed(judged, outcome)
    named = f": {_some(failed)}" if failed else ""
    message = f"check {outcome.name!r} failed with exit code {outcome.exit_code}{named}{red}"
    return Finding(rule="check-failed", severity=Severity.BLOCKER, message=message)


def _failed_before(judged: Judged, outcome: CheckOutcome) -> bool:
    """Whether the failure is base's own: ended the same way, and every test that fails by name failed there too."""
    failed = _failed(judged, outcome)
    before = [_by_name(run).get(outcome.name) for run in (judged.base, *judged.again.base)]
    if outcome.end is not RunEnd.EXITED or not failed:
        return False
    same_end = any(
        run is not None and not run.passed and (run.end, run.exit_code) == (outcome.end, outcome.exit_code)
        for run in before
    )
    return same_end and all(_fails_on_base(judged, outcome.name, name) for name in failed)


def _fails_on_base(judged: Judged, check: str, test: str) -> bool:
    """In any run of base: what fails there now and then is not held against the patch, though a person is told."""
    runs = (judged.base, *judged.again.base)
    return any(run.tests.get(check, {}).get(test) is TestOutcome.FAILED for run in runs)


def _failed(judged: Judged, outcome: CheckOutcome) -> list[str]:
    tests = judged.patched.tests.get(outcome.name, {})
    return sorted(name for name, found in tests.items() if found is TestOutcome.FAILED)


def _by_name(tree: CheckedTree) -> dict[str, CheckOutcome]:
    return {outcome.name: outcome for outcome in tree.run.outcomes}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
