"""Findings about tests from the patch's text, for checks that leave no report by which tests could be compared.

A pattern sees less than a report: it knows the usual ways to write a test, and takes one that was renamed for removed.
So it only ever asks a person to look.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from activities.evaluation import paths
from activities.evaluation.changes import PatchLine
from activities.evaluation.judged import Judged
from activities.evaluation.paths import shown
from workflows.models.evidence import Finding, Severity
from workflows.models.plural import plural

_SCRIPT = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs")
_JVM = (".java", ".kt", ".kts", ".scala", ".groovy")
_TESTS = {
    (".py",): re.compile(r"^\s*(?:async\s+)?(?:def|class)\s+([Tt]est\w*)"),
    _SCRIPT: re.compile(r"\b(?:it|test|describe)(?:\.\w+)*\(\s*(['\"`].{0,200}?['\"`])"),
    (".go",): re.compile(r"^func\s+((?:Test|Fuzz|Example)\w*)\("),
    (".rs",): re.compile(r"^\s*(#\[(?:\w+::)?test)\b"),
    _JVM: re.compile(r"^\s*(@(?:Parameterized|Repeated)?Test)\b"),
    (".rb",): re.compile(r"^\s*(?:it|test|specify|describe|def\s+test_\w+)\b(.{0,200})"),
    (".php",): re.compile(r"\bfunction\s+(test\w*)\("),
    (".cs",): re.compile(r"^\s*(\[(?:Fact|Theory|Test|TestMethod|TestCase))\b"),
}
"""How a test begins, and what is its name; where that is on another line, occurrences are counted."""
_SKIPS = {
    (".py",): re.compile(r"\bmark\.(?:skip|skipif|xfail)\b|\b(?:pytest|unittest|self)\.skip\w*\(|\b__test__\s*="),
    _SCRIPT: re.compile(r"\b(?:it|test|describe|context)\.(?:skip|only|todo|fixme)\b|\b(?:xit|xtest|xdescribe|fit)\("),
    (".go",): re.compile(r"\bt\.Skip\w*\("),
    (".rs",): re.compile(r"#\[ignore\b"),
    _JVM: re.compile(r"@(?:Ignore|Disabled)\b"),
    (".rb",): re.compile(r"^\s*(?:xit|xdescribe|skip|pending)\b"),
    (".php",): re.compile(r"\bmarkTest(?:Skipped|Incomplete)\("),
    (".cs",): re.compile(r"\bSkip\s*=|\[Ignore\b"),
}
_NAMED = 5


def deleted_tests(judged: Judged) -> Iterator[Finding]:
    """Test files that are gone."""
    if not _is_blind(judged):
        return
    patterns = (*paths.TESTS, *judged.policy.test_paths)
    for change in judged.changes:
        if change.is_deleted and paths.matches(change.path, patterns):
            message = "was deleted, and no report says which of its tests are run elsewhere"
            yield Finding(rule="test-file-deleted", severity=Severity.PERSON, message=message, path=shown(change.path))


def removed_tests(judged: Judged) -> Iterator[Finding]:
    """Tests that the patch takes out of files and adds nowhere."""
    if not _is_blind(judged):
        return
    gone = Counter(_found(_TESTS, judged.removed_lines)) - Counter(_found(_TESTS, judged.added_lines))
    if gone:
        names = ", ".join(shown(name)[:80] for name in list(gone)[:_NAMED])
        what = f"{plural(gone.total(), 'test')} {'is' if gone.total() == 1 else 'are'} removed or renamed"
        message = f"{what}, and no report says what became of them: {names}"
        yield Finding(rule="tests-removed", severity=Severity.PERSON, message=message)


def added_skips(judged: Judged) -> Iterator[Finding]:
    """Marks that keep tests from running."""
    if not _is_blind(judged):
        return
    for line in judged.added_lines:
        if _match(_SKIPS, line) is not None:
            message = "has a mark that keeps tests from running, and no report says which"
            yield Finding(
                rule="test-skip-added", severity=Severity.PERSON, message=message, path=shown(line.path), line=line.line
            )


def _is_blind(judged: Judged) -> bool:
    """Whether a check's tests are not known by name, so that a lost one would go unseen."""
    return any(not judged.base.tests.get(check.name) for check in judged.policy.checks)


def _found(patterns: dict[tuple[str, ...], re.Pattern[str]], lines: Iterable[PatchLine]) -> Iterator[str]:
    for line in lines:
        if (matched := _match(patterns, line)) is not None:
            yield matched.group(1).strip()


def _match(patterns: dict[tuple[str, ...], re.Pattern[str]], line: PatchLine) -> re.Match[str] | None:
    suffix = PurePosixPath(line.path).suffix
    return next((pattern.search(line.text) for kinds, pattern in patterns.items() if suffix in kinds), None)
