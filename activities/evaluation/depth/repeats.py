"""Telling flaky from fixed: checks in which something turned or broke, run again on the very same trees. Pure."""

from collections.abc import Iterator, Sequence

from activities.evaluation.checks import CheckedTree
from workflows.models.evidence import TestOutcome
from workflows.models.policy import Check, TaskPolicy

_DECIDED = (TestOutcome.PASSED, TestOutcome.FAILED)


def concerned(base: CheckedTree, patched: CheckedTree, policy: TaskPolicy) -> tuple[Check, ...]:
    """Checks that say of the patch what they do not say of base, in a test or as a whole."""
    before = {outcome.name: outcome.passed for outcome in base.run.outcomes}
    after = {outcome.name: outcome.passed for outcome in patched.run.outcomes}
    return tuple(
        check
        for check in policy.checks
        if before.get(check.name) != after.get(check.name)
        or any(_differ(*pair) for pair in _pairs(base.tests.get(check.name, {}), patched.tests.get(check.name, {})))
    )


def flaky_tests(runs: Sequence[CheckedTree]) -> Iterator[tuple[str, str]]:
    """Check and test, for each that passed and failed in runs of one tree."""
    seen: dict[tuple[str, str], set[TestOutcome]] = {}
    for run in runs:
        for check, tests in run.tests.items():
            for test, outcome in tests.items():
                if outcome in _DECIDED:
                    seen.setdefault((check, test), set()).add(outcome)
    yield from (place for place, outcomes in seen.items() if len(outcomes) > 1)


def flaky_checks(runs: Sequence[CheckedTree]) -> Iterator[str]:
    """Checks that passed and failed on one tree."""
    seen: dict[str, set[bool]] = {}
    for run in runs:
        for outcome in run.run.outcomes:
            seen.setdefault(outcome.name, set()).add(outcome.passed)
    yield from (check for check, passed in seen.items() if len(passed) > 1)


def agree(one: CheckedTree, other: CheckedTree) -> bool:
    """Whether two runs of a tree say the same of everything that both ran."""
    return not any(flaky_tests((one, other))) and not any(flaky_checks((one, other)))


def _pairs(before: dict[str, TestOutcome], after: dict[str, TestOutcome]) -> Iterator[tuple[TestOutcome, TestOutcome]]:
    return ((outcome, after[test]) for test, outcome in before.items() if test in after)


def _differ(before: TestOutcome, after: TestOutcome) -> bool:
    return before != after and before in _DECIDED and after in _DECIDED
