"""What an agent says of its patch is held against what was found out, and no words of it become a rule."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.evaluation.brought import Brought
from activities.evaluation.claims import MOST_CLAIMS, claims, said
from tests.activities.evaluation.court import MENDED, TESTS, Court, rules
from tests.activities.evaluation.test_findings import F, P, change, judged, tree
from tests.activities.evaluation.test_findings import rules as rules_of
from workflows.models.evidence import ClaimHolds, Severity
from workflows.models.run import RunEnd, RunResult


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("All tests pass.", ["tests-pass"]),
        ("I ran the test suite and everything is fine: 14 passed", ["tests-pass"]),
        ("The existing unit tests now pass", ["tests-pass"]),
        ("The tests should pass now.", []),
        ("The tests do not pass yet.", []),
        ("I could not run the tests; please check that they pass.", []),
        ("Two tests that failed before pass", []),
        ("I added two unit tests and a regression test.", ["tests-added"]),
        ("Adds tests for add()", ["tests-added"]),
        ("I did not add tests", []),
        ("This is a pure refactoring.", ["no-behaviour-change"]),
        ("There is no functional change", ["no-behaviour-change"]),
        ("I only changed the documentation.", ["only-docs"]),
        ("A docs-only change", ["only-docs"]),
        ("No tests were modified.", ["tests-untouched"]),
        ("It needs no new dependencies.", ["no-new-dependencies"]),
        ("add() subtracted; now it adds", []),
        ("", []),
    ],
)
def test_a_claim_is_recognised_where_it_is_plainly_made(words: str, kinds: list[str]) -> None:
    assert [each.kind for each in said(words)] == kinds


RED = tree({"a": F})
GREEN = tree({"a": P})
CASES: list[tuple[str, dict[str, Any], ClaimHolds]] = [
    ("All tests pass", {}, ClaimHolds.SUPPORTED),
    ("All tests pass", {"patched": RED}, ClaimHolds.CONTRADICTED),
    ("I added tests", {"changes": (change("src/a.py"),)}, ClaimHolds.CONTRADICTED),
    ("I added tests", {"changes": (change("tests/test_a.py"),)}, ClaimHolds.CONTRADICTED),
    (
        "I added tests",
        {"changes": (change("tests/test_a.py"),), "patched": tree({"a": P, "b": P})},
        ClaimHolds.SUPPORTED,
    ),
    ("I added tests", {"changes": (change("tests/test_a.py"),), "patched": tree({})}, ClaimHolds.UNCHECKED),
    ("No behaviour change", {}, ClaimHolds.SUPPORTED),
    ("No behaviour change", {"base": RED}, ClaimHolds.CONTRADICTED),
    ("No behaviour change", {"changes": (change("uv.lock"),)}, ClaimHolds.CONTRADICTED),
    ("I only changed the docs", {"changes": (change("docs/a.md"), change("README.md"))}, ClaimHolds.SUPPORTED),
    ("I only changed the docs", {"changes": (change("docs/a.md"), change("src/a.py"))}, ClaimHolds.CONTRADICTED),
    ("I only changed the docs", {"changes": (change("requirements.txt"),)}, ClaimHolds.CONTRADICTED),
    ("No tests were changed", {"changes": (change("src/a.py"),)}, ClaimHolds.SUPPORTED),
    ("No tests were changed", {"changes": (change("tests/test_a.py"),)}, ClaimHolds.CONTRADICTED),
    ("Without new dependencies", {}, ClaimHolds.SUPPORTED),
    ("Without new dependencies", {"packages": Brought(open=("evil@1",))}, ClaimHolds.CONTRADICTED),
    ("Without new dependencies", {"changes": (change("pyproject.toml"),)}, ClaimHolds.UNCHECKED),
]


@pytest.mark.parametrize(("words", "found", "holds"), CASES)
def test_a_claim_is_held_against_the_checks_and_the_diff(words: str, found: dict[str, Any], holds: ClaimHolds) -> None:
    case = judged(reasoning=words, **found)
    claim = claims(case)[0]
    assert claim.holds is holds
    assert claim.shown_by
    told = ("claim-contradicted", Severity.PERSON) in rules_of(case)
    assert told is (holds is ClaimHolds.CONTRADICTED)


@pytest.mark.parametrize("words", ["", "   ", "Done.", "...", "\n\n***\n"])
def test_a_patch_without_a_word_about_it_is_for_a_person(words: str) -> None:
    assert ("no-reasoning", Severity.PERSON) in rules_of(judged(reasoning=words))
    assert rules_of(judged(reasoning=None)) == []


def test_a_secret_in_a_claim_is_not_repeated() -> None:
    case = judged(reasoning="All tests pass with AKIAIOSFODNN7EXAMPLQ", patched=RED)
    assert "AKIAIOSFODNN7" not in claims(case)[0].said


def test_words_made_to_be_slow_are_read_in_time() -> None:
    began = time.monotonic()
    for words in ("added a " * 200_000, "test " * 200_000, "tests " + "x " * 500_000 + "pass", ". " * 500_000):
        said(words)
    assert time.monotonic() - began < 10


@settings(deadline=None)
@given(st.text())
def test_whatever_is_said_is_read_without_an_error(words: str) -> None:
    found = claims(judged(reasoning=words))
    assert len(found) <= MOST_CLAIMS
    assert "detector-failed" not in [rule for rule, _ in rules_of(judged(reasoning=words))]


async def test_a_claim_that_evidence_contradicts_is_told_and_one_that_it_shows_points_to_the_check(
    court: Court,
) -> None:
    run = RunResult(
        run_id="r", end=RunEnd.EXITED, succeeded=True, summary="Mended add(). All tests pass. I added tests."
    )
    order = (await court.order({"calc.py": MENDED})).model_copy(update={"run": run})
    evidence = await evidence_of(court, order)
    assert [(claim.kind, claim.holds) for claim in evidence.claims] == [
        ("tests-pass", ClaimHolds.SUPPORTED),
        ("tests-added", ClaimHolds.CONTRADICTED),
    ]
    assert "pytest (2 tests)" in evidence.claims[0].shown_by
    assert rules(evidence) == ["claim-contradicted"]
    more = TESTS + "\n\ndef test_more():\n    assert add(1, 1) == 2\n"
    order = (await court.order({"calc.py": MENDED, "tests/test_calc.py": more})).model_copy(update={"run": run})
    assert rules(await evidence_of(court, order)) == []


async def evidence_of(court: Court, order: Any) -> Any:
    from workflows.models.limits import Guarantees  # noqa: PLC0415

    judgement = await court.evaluator.judge(order, court.bench(order), Guarantees())
    await court.checks.clear(court.bench(order))
    return judgement.evidence
