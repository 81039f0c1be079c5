"""Findings about tests that still run and demand less than before: by their syntax, or by their text where that is all.

A finding quotes the test. Quotes are cleared of what looks like a secret: evidence repeats none.
"""

import re
from collections import Counter
from collections.abc import Iterator

from activities.evaluation import paths
from activities.evaluation.changes import PatchLine
from activities.evaluation.judged import Judged
from activities.evaluation.paths import shown
from activities.evaluation.quoting import without_secrets
from activities.evaluation.weakening.comparison import compared
from workflows.models.evidence import Finding, Severity

_NOTES = frozenset({"test-without-assertion"})
_SNAPSHOTS = ("__snapshots__/", "*.snap", "*.ambr", "*.approved.*")
_ASSERTS = re.compile(
    r"\bassert\w*\b|\bexpect\s*\(|\brequire\.\w+\(|\.should\b|\bt\.(?:Error|Fatal|Fail)\w*\(|\bXCTAssert\w*\(|\bverify\s*\("
)
"""What an assertion looks like in most languages."""


def weakened_tests(judged: Judged) -> Iterator[Finding]:
    """Assertions that are gone or rule out less, wider tolerances, mocks, longer waits, in Python and JavaScript."""
    for tests in judged.tests:
        if tests.problem:
            message = f"its assertions can't be compared with base's, so look at them: {tests.problem}"
            yield _at(tests.path, 0, "test-not-compared", Severity.PERSON, message)
            continue
        for weaker in compared(tests.before, tests.after, is_new=tests.is_new):
            severity = Severity.NOTE if weaker.rule in _NOTES else Severity.PERSON
            yield _at(tests.path, weaker.line, weaker.rule, severity, weaker.message)


def assertions_removed(judged: Judged) -> Iterator[Finding]:
    """Lines with assertions that are gone, in tests whose syntax is not read."""
    patterns = (*paths.TESTS, *judged.policy.test_paths)
    read = {tests.path for tests in judged.tests if not tests.problem}
    added = Counter(line.text.strip() for line in judged.added_lines)
    gone: dict[str, list[PatchLine]] = {}
    for line in judged.removed_lines:
        if line.path in read or not paths.matches(line.path, patterns) or not _ASSERTS.search(line.text):
            continue
        if added[line.text.strip()] > 0:
            added[line.text.strip()] -= 1
        else:
            gone.setdefault(line.path, []).append(line)
    for path, lines in gone.items():
        message = f"lines that assert something are gone or changed, {len(lines)} in all: {lines[0].text.strip()}"
        yield _at(path, 0, "assertion-removed", Severity.PERSON, message)


def changed_snapshots(judged: Judged) -> Iterator[Finding]:
    """Recorded values that tests compare with, rewritten: whatever the code does now is what is expected now."""
    for change in judged.changes:
        if not change.is_added and not change.is_deleted and paths.matches(change.path, _SNAPSHOTS):
            message = "was changed; what tests expect by it is what the patch does"
            yield _at(change.path, 0, "snapshot-changed", Severity.PERSON, message)


def _at(path: str, line: int, rule: str, severity: Severity, message: str) -> Finding:
    return Finding(rule=rule, severity=severity, message=without_secrets(message), path=shown(path), line=line)
