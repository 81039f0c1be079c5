"""Names and outcomes of tests, out of JUnit XML that code under test could have written.

What is read here is that code's own word. It may forge a test that passed; it never outweighs an exit status, and a
test that vanished is looked at by a person.
"""

from collections.abc import Iterable
from pathlib import Path
from xml.parsers import expat

from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestCase
from pathspec import GitIgnoreSpec

from activities.agents.plain_text import plain
from activities.evaluation.beneath import NotReadable, files_beneath, read_beneath
from workflows.models.evidence import TestOutcome

MOST_BYTES = 16 * 1024 * 1024
"""Of one report."""
MOST_REPORTS = 50
MOST_TESTS = 50_000
MOST_ELEMENTS = 500_000
MOST_DEPTH = 50
NAME_CHARS = 400

_SEVERITY = (TestOutcome.PASSED, TestOutcome.SKIPPED, TestOutcome.FAILED)


class ReportRefused(Exception):
    """A report is not what a test runner writes; the message says what about it."""


def is_pattern(path: str) -> bool:
    """Whether `junit` of a check names several files."""
    return any(character in path for character in "*?[")


def report_paths(root: Path, junit: str) -> list[str]:
    """The reports in a checkout. Raises NotReadable."""
    if not junit:
        return []
    if not is_pattern(junit):
        return [junit]
    spec = GitIgnoreSpec.from_lines([junit])
    found = sorted(path for path in files_beneath(root) if spec.match_file(path))
    if len(found) > MOST_REPORTS:
        raise NotReadable(f"{len(found)} files match {junit}, and at most {MOST_REPORTS} reports are read")
    return found


def read_reports(root: Path, junit: str) -> dict[str, TestOutcome]:
    """Test name to outcome, over all reports of a check. Raises NotReadable or ReportRefused."""
    tests: dict[str, TestOutcome] = {}
    for path in report_paths(root, junit):
        for name, outcome in parse_report(read_beneath(root, path, MOST_BYTES)):
            # A name that occurs twice counts with the worse outcome, so that a failure can't be covered up.
            tests[name] = max(tests.get(name, outcome), outcome, key=_SEVERITY.index)
            if len(tests) > MOST_TESTS:
                raise ReportRefused(f"names more than {MOST_TESTS} tests")
    return tests


def parse_report(data: bytes) -> Iterable[tuple[str, TestOutcome]]:
    """Tests of one report. Raises ReportRefused."""
    _refuse_traps(data)
    try:
        report = JUnitXml.fromstring(data)
        suites = [report] if not isinstance(report, JUnitXml) else list(report)
        for suite in suites:
            for case in _cases(suite):
                yield _name(case), _outcome(case)
    except (JUnitXmlError, ValueError, TypeError, AttributeError, SyntaxError) as error:
        raise ReportRefused(f"is not JUnit XML ({type(error).__name__})") from error


def _cases(suite: object) -> Iterable[TestCase]:
    for child in getattr(suite, "testsuites", lambda: ())():
        yield from _cases(child)
    yield from (case for case in suite if isinstance(case, TestCase))  # type: ignore[attr-defined]


def _name(case: TestCase) -> str:
    parts = [part for part in (case.classname, case.name) if part]
    return plain("::".join(parts).replace("\n", " "), NAME_CHARS) or "(without a name)"


def _outcome(case: TestCase) -> TestOutcome:
    kinds = {type(result) for result in case.result}
    if kinds & {Failure, Error}:
        return TestOutcome.FAILED
    return TestOutcome.SKIPPED if Skipped in kinds else TestOutcome.PASSED


def _refuse_traps(data: bytes) -> None:
    """Parse once without building anything: no document type, so no entities and no bombs; bounded depth and count."""
    parser = expat.ParserCreate()
    depth = elements = 0

    def refuse_declaration(*_: object) -> None:
        raise ReportRefused("declares a document type, which no test runner writes")

    def enter(*_: object) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MOST_DEPTH or elements > MOST_ELEMENTS:
            raise ReportRefused("is nested too deeply or has too many elements")

    def leave(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = refuse_declaration
    parser.EntityDeclHandler = refuse_declaration
    parser.StartElementHandler = enter
    parser.EndElementHandler = leave
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ReportRefused(f"is not well-formed XML: {error}") from error
    except (ValueError, LookupError) as error:
        raise ReportRefused("states an encoding that can't be read") from error
