"""All findings about a patch: every detector is asked, and one that breaks is itself a reason to look."""

from collections import Counter
from collections.abc import Iterable

from activities.evaluation import (
    bulk_findings,
    depth_findings,
    licence_findings,
    outcome_findings,
    package_findings,
    path_findings,
    people_findings,
    reasoning_findings,
    secret_findings,
    shadowing,
    test_text_findings,
    weakening_findings,
)
from activities.evaluation.judged import Detector, Judged
from workflows.models.evidence import Finding, Severity

DETECTORS: tuple[Detector, ...] = (
    outcome_findings.failing_checks,
    outcome_findings.nothing_turned,
    outcome_findings.broken_tests,
    outcome_findings.lost_tests,
    outcome_findings.only_with_its_own_tests,
    outcome_findings.missing_reports,
    depth_findings.flaky,
    depth_findings.not_run,
    test_text_findings.deleted_tests,
    test_text_findings.removed_tests,
    test_text_findings.added_skips,
    weakening_findings.weakened_tests,
    weakening_findings.assertions_removed,
    weakening_findings.changed_snapshots,
    secret_findings.secrets,
    path_findings.scope,
    path_findings.size,
    path_findings.unreadable,
    path_findings.left_out,
    path_findings.check_definitions,
    shadowing.hiding_modules,
    path_findings.sensitive_paths,
    package_findings.packages,
    path_findings.unusual_entries,
    bulk_findings.generated_bulk,
    licence_findings.licence_headers,
    path_findings.hidden_characters,
    people_findings.pushed_by_people,
    reasoning_findings.missing_reasoning,
    reasoning_findings.contradicted_claims,
)
DEEPER: tuple[Detector, ...] = (depth_findings.unnoticed_faults,)
"""Asked once faults were tried in a patch that nothing else blocks."""
MOST_OF_A_RULE = 50
"""Beyond that a reader learns nothing new, but how many there are."""
_ORDER = (Severity.BLOCKER, Severity.PERSON, Severity.NOTE)


def find(judged: Judged, detectors: Iterable[Detector] = DETECTORS) -> tuple[Finding, ...]:
    """Every finding, the severest first."""
    found = [finding for detector in detectors for finding in _ask(detector, judged)]
    return ordered(_bounded(found))


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The severest first."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def _ask(detector: Detector, judged: Judged) -> list[Finding]:
    found: list[Finding] = []
    try:
        # One by one, so that what was found before it broke still counts.
        for finding in detector(judged):
            found.append(finding)
    except Exception as error:
        name = getattr(detector, "__name__", "unnamed")
        # The error's own text may quote what the patch holds, a secret for example.
        message = f"the detector {name} broke ({type(error).__name__}), so look for what it would have found"
        found.append(Finding(rule="detector-failed", severity=Severity.PERSON, message=message))
    return found


def _bounded(found: list[Finding]) -> list[Finding]:
    seen: Counter[tuple[str, Severity]] = Counter()
    kept: list[Finding] = []
    for finding in found:
        key = (finding.rule, finding.severity)
        seen[key] += 1
        if seen[key] <= MOST_OF_A_RULE:
            kept.append(finding)
    for (rule, severity), count in seen.items():
        if count > MOST_OF_A_RULE:
            message = f"{count - MOST_OF_A_RULE} more of this kind"
            kept.append(Finding(rule=rule, severity=severity, message=message))
    return kept
