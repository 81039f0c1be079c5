"""What an agent says of its own work, held against what was found out. Pure.

The words are untrusted and free, so only claims of a few usual kinds are recognised, and only where they are plainly
made: "the tests should pass" claims nothing. A claim that nothing here can decide is told as that.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from activities.agents.plain_text import plain
from activities.evaluation import paths
from activities.evaluation.judged import Judged
from activities.evaluation.outcome_findings import turned
from activities.evaluation.quoting import without_secrets
from workflows.models.evidence import Claim, ClaimHolds
from workflows.models.plural import plural

_MOST_CHARS = 16_000
_MOST_SENTENCES = 400
_SENTENCE_CHARS = 600
MOST_CLAIMS = 20
_SENTENCES = re.compile(r"[.!?;]\s|\n")
_NOT_CLAIMED = re.compile(
    r"\b(?:should|would|could|will|may|might|must|ensure|verify|check (?:that|whether|if)|make sure|whether|if|once"
    r"|until|please|to see|unable|can(?:'t|not)|could ?n[o']t|did ?n[o']t (?:run|manage|verify|test)"
    r"|not (?:run|verified|tested)|expected?|hopefully|todo)\b",
    re.IGNORECASE,
)
"""Wishes, conditions, and what was not done."""
_NEGATED = re.compile(r"\b(?:not|n't|no longer|never|fail\w*|without)\b|n't\b", re.IGNORECASE)
_TESTS = r"(?:unit |integration |existing |regression |new |other |\d+ )*(?:tests?|test ?suite|specs?|checks?)"
_KINDS: dict[str, re.Pattern[str]] = {
    "tests-pass": re.compile(
        rf"\b{_TESTS}\b[^.\n]{{0,40}}?\b(?:pass(?:es|ed|ing)?|succeed(?:s|ed)?|green)\b"
        rf"|\bpass(?:es|ed|ing)? (?:all )?(?:of )?(?:the |its )?{_TESTS}\b|\b\d+ passed\b",
        re.IGNORECASE,
    ),
    "tests-added": re.compile(
        rf"\b(?:add(?:ed|s)?|wrote|writes?|written|includ(?:es?|ed)|creat(?:es?|ed)|extend(?:s|ed)?)\b"
        rf"(?: (?:a|an|some|more|new|two|three|several|the|also|\d+))* {_TESTS}\b",
        re.IGNORECASE,
    ),
    "no-behaviour-change": re.compile(
        r"\bno (?:functional|behaviou?r(?:al)?|semantic) changes?\b"
        r"|\bbehaviou?r (?:is|remains|stays) (?:un\w+|the same)\b"
        r"|\bdo(?:es)?(?: not|n't) (?:change|alter|affect)(?: any| the)? behaviou?r\b|\bpure(?:ly a)? refactor\w*",
        re.IGNORECASE,
    ),
    "only-docs": re.compile(
        r"\b(?:only|just|purely|solely) (?:\w+ ){0,2}?(?:the )?(?:docs?|documentation|readme)\b"
        r"|\b(?:docs?|documentation)[- ]only\b|\bno code (?:was |is )?changed?s?\b",
        re.IGNORECASE,
    ),
    "tests-untouched": re.compile(
        r"\bno (?:existing )?tests? (?:files? )?(?:(?:was|were) )?(?:changed|modified|touched|edited)\b"
        r"|\b(?:did(?: not|n't)|without) (?:chang|modify|touch|edit)\w* (?:any |the |existing )*tests?\b",
        re.IGNORECASE,
    ),
    "no-new-dependencies": re.compile(
        r"\b(?:no|without(?: any)?)(?: new| additional| extra)? dependenc(?:y|ies)\b", re.IGNORECASE
    ),
}
_DENIALS = frozenset({"no-behaviour-change", "tests-untouched", "no-new-dependencies", "only-docs"})
"""Kinds whose own words negate."""


@dataclass(frozen=True)
class Said:
    """A claim as it was made."""

    kind: str
    sentence: str


def said(text: str) -> tuple[Said, ...]:
    """Claims in an agent's words, each kind once."""
    found: dict[str, Said] = {}
    for sentence in _SENTENCES.split(text[:_MOST_CHARS])[:_MOST_SENTENCES]:
        words = sentence[:_SENTENCE_CHARS]
        if _NOT_CLAIMED.search(words):
            continue
        for kind, pattern in _KINDS.items():
            matched = pattern.search(words)
            if matched is None or kind in found:
                continue
            if kind not in _DENIALS and _NEGATED.search(words[max(0, matched.start() - 25) : matched.end()]):
                continue
            found[kind] = Said(kind, words.strip())
    return tuple(found.values())


def claims(judged: Judged) -> tuple[Claim, ...]:
    """Each claim with what it is held against. None where the agent's words are not known."""
    found = []
    for one in said(judged.reasoning or "")[:MOST_CLAIMS]:
        holds, shown_by = _HELD[one.kind](judged)
        quote = without_secrets(plain(one.sentence, 300))
        found.append(Claim(kind=one.kind, said=quote, holds=holds, shown_by=shown_by))
    return tuple(found)


def _tests_pass(judged: Judged) -> tuple[ClaimHolds, str]:
    outcomes = judged.patched.run.outcomes
    if not outcomes:
        return ClaimHolds.UNCHECKED, "no check was run"
    if failed := [outcome.name for outcome in outcomes if not outcome.passed]:
        return ClaimHolds.CONTRADICTED, f"with the patch these checks fail: {', '.join(failed)}"
    names = ", ".join(f"{each.name} ({plural(each.tests, 'test')})" if each.tests else each.name for each in outcomes)
    return ClaimHolds.SUPPORTED, f"checks on the patch: {names}"


def _tests_added(judged: Judged) -> tuple[ClaimHolds, str]:
    new = [
        test
        for check, tests in judged.patched.tests.items()
        for test in tests
        if test not in judged.base.tests.get(check, {})
    ]
    if new:
        more = f" and {len(new) - 3} more" if len(new) > 3 else ""
        return ClaimHolds.SUPPORTED, f"these ran on the patch and not on base: {', '.join(sorted(new)[:3])}{more}"
    patterns = (*paths.TESTS, *judged.policy.test_paths)
    touched = [change.path for change in judged.changes if paths.matches(change.path, patterns) and change.added]
    if not touched:
        return ClaimHolds.CONTRADICTED, "no test is added, and no file of tests has a line more"
    if all(judged.patched.tests.get(check.name) for check in judged.policy.checks) and judged.policy.checks:
        return ClaimHolds.CONTRADICTED, "files of tests are changed, and no check runs a test more than on base"
    return ClaimHolds.UNCHECKED, f"{touched[0]} is changed, and no report says which tests ran"


def _no_behaviour_change(judged: Judged) -> tuple[ClaimHolds, str]:
    if green := turned(judged.base, judged.patched):
        return ClaimHolds.CONTRADICTED, f"tests say something else than on base: {', '.join(green[:3])}"
    for check, tests in judged.patched.tests.items():
        before = judged.base.tests.get(check, {})
        if different := [test for test, outcome in tests.items() if test in before and before[test] != outcome]:
            return ClaimHolds.CONTRADICTED, f"tests say something else than on base: {', '.join(different[:3])}"
    beyond = (*paths.LOCK_FILES, *paths.MIGRATIONS, *paths.CI)
    if other := [change.path for change in judged.changes if paths.matches(change.path, beyond)]:
        return ClaimHolds.CONTRADICTED, f"{other[0]} is changed, which has effects beyond the code"
    before_and_after = (judged.base.run.passed, judged.guarded.run.passed)
    if all(before_and_after):
        return ClaimHolds.SUPPORTED, "base's own tests say the same of base and of the patch"
    return ClaimHolds.UNCHECKED, "base's own tests do not pass on both, so they show nothing"


def _only_docs(judged: Judged) -> tuple[ClaimHolds, str]:
    other = [change.path for change in judged.changes if not paths.matches(change.path, paths.DOCS)]
    if other:
        return ClaimHolds.CONTRADICTED, f"{other[0]} is changed too" + (
            f", and {len(other) - 1} more" if other[1:] else ""
        )
    return ClaimHolds.SUPPORTED, "every changed path is documentation"


def _tests_untouched(judged: Judged) -> tuple[ClaimHolds, str]:
    patterns = (*paths.TESTS, *judged.policy.test_paths)
    touched = [c.path for c in judged.changes if paths.matches(c.path, patterns) and not c.is_added]
    if touched:
        return ClaimHolds.CONTRADICTED, f"{touched[0]} is changed"
    return ClaimHolds.SUPPORTED, "no changed path is a test that base has"


def _no_new_dependencies(judged: Judged) -> tuple[ClaimHolds, str]:
    brought = judged.packages
    if named := (*brought.installed, *brought.open):
        return ClaimHolds.CONTRADICTED, f"its lock files bring {', '.join(named[:3])}"
    changed = [c.path for c in judged.changes if paths.matches(c.path, (*paths.LOCK_FILES, *paths.MANIFESTS))]
    if changed:
        return ClaimHolds.UNCHECKED, f"{changed[0]} is changed"
    return ClaimHolds.SUPPORTED, "no lock file and no manifest is changed"


_HELD = {
    "tests-pass": _tests_pass,
    "tests-added": _tests_added,
    "no-behaviour-change": _no_behaviour_change,
    "only-docs": _only_docs,
    "tests-untouched": _tests_untouched,
    "no-new-dependencies": _no_new_dependencies,
}


def contradicted(found: tuple[Claim, ...]) -> Iterator[Claim]:
    """Those that do not hold."""
    return (claim for claim in found if claim.holds is ClaimHolds.CONTRADICTED)
