"""How risky a patch is: a table of rules, each of which can only raise the tier, explained line by line. Pure."""

from collections.abc import Iterator

from activities.evaluation import paths
from activities.gate.facts import GateFacts
from workflows.models.evidence import Severity
from workflows.models.gate import Risk, RiskReason, RiskRule, RiskTier

_MOST_REASONS = 50
_TASK_TYPES = {
    "docs": RiskTier.LOW,
    "test-fix": RiskTier.LOW,
    "dependency-bump": RiskTier.MEDIUM,
    "refactor": RiskTier.MEDIUM,
    "bug-fix": RiskTier.MEDIUM,
    "feature": RiskTier.HIGH,
}
"""The tier before anything is known of a patch. One that a team defined is medium until an owner says otherwise."""
_WITHOUT_A_TIER = RiskTier.MEDIUM
BUILT_IN = (
    RiskRule(
        tier=RiskTier.HIGH,
        paths=(*paths.CI, *paths.POLICY, *paths.AGENT_INSTRUCTIONS),
        because="it changes what CI, owners or later agents go by",
    ),
    RiskRule(
        tier=RiskTier.HIGH,
        paths=(*paths.MIGRATIONS, "*.sql"),
        because="it changes how data is kept, which taking the merge back does not undo",
    ),
    RiskRule(
        tier=RiskTier.MEDIUM,
        paths=(*paths.LOCK_FILES, *paths.MANIFESTS),
        because="it may change which third-party code is installed",
    ),
    RiskRule(tier=RiskTier.MEDIUM, more_lines_than=200, because="it is long to read"),
    RiskRule(tier=RiskTier.HIGH, more_lines_than=1000, because="it is too long to read with care"),
    RiskRule(tier=RiskTier.MEDIUM, more_files_than=10, because="it touches many places"),
    RiskRule(tier=RiskTier.HIGH, more_files_than=50, because="it touches more places than one can keep in mind"),
)


def assess(facts: GateFacts) -> Risk:
    """The highest tier that anything speaks for."""
    reasons = sorted(_reasons(facts), key=lambda reason: -reason.tier.rank)
    return Risk(tier=reasons[0].tier, reasons=tuple(reasons[:_MOST_REASONS]))


def _reasons(facts: GateFacts) -> Iterator[RiskReason]:
    kind = facts.task.task_type
    tier = facts.policy.gate.task_types.get(kind, _TASK_TYPES.get(kind, _WITHOUT_A_TIER))
    yield RiskReason(tier=tier, text=f"{kind} tasks begin as {tier}")
    for rule in (*BUILT_IN, *facts.policy.gate.risk):
        if (fits := _fits(rule, facts)) is not None:
            said = f" ({rule.said_by})" if rule.said_by else ""
            yield RiskReason(tier=rule.tier, text=f"{fits}{': ' + rule.because if rule.because else ''}{said}")
    asking = sorted({finding.rule for finding in facts.findings if finding.severity is Severity.PERSON})
    if asking:
        yield RiskReason(tier=RiskTier.MEDIUM, text=f"findings that ask for a person: {', '.join(asking[:10])}")
    if any(finding.severity is Severity.BLOCKER for finding in facts.findings):
        yield RiskReason(tier=RiskTier.HIGH, text="a finding blocks it")


def _fits(rule: RiskRule, facts: GateFacts) -> str | None:
    """What of the patch fits the rule, for people; None if it does not fit, or states no condition."""
    told = []
    if rule.task_types:
        if facts.task.task_type not in rule.task_types:
            return None
        told.append(f"task type {facts.task.task_type}")
    if rule.paths:
        path = next((path for path in facts.paths if paths.matches(path, rule.paths)), None)
        if path is None:
            return None
        told.append(paths.shown(path))
    if rule.findings:
        named = sorted({finding.rule for finding in facts.findings} & set(rule.findings))
        if not named:
            return None
        told.append(f"finding {named[0]}")
    if rule.more_lines_than is not None:
        if facts.lines <= rule.more_lines_than:
            return None
        told.append(f"{facts.lines} lines, more than {rule.more_lines_than}")
    if rule.more_files_than is not None:
        if len(facts.paths) <= rule.more_files_than:
            return None
        told.append(f"{len(facts.paths)} files, more than {rule.more_files_than}")
    return ", ".join(told) or None
