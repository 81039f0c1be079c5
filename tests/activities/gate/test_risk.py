"""Risk tiers, and the lines that explain them."""

from typing import Any

import pytest
from hypothesis import given

from activities.gate.facts import GateFacts
from activities.gate.risk import assess
from tests.activities.gate import facts as drawn
from tests.activities.gate.facts import a_task, finding, good
from workflows.models.evidence import Severity
from workflows.models.gate import GateRules, RiskRule, RiskTier


def with_rules(*rules: RiskRule, **changes: Any) -> GateFacts:
    policy = good().policy.model_copy(update={"gate": GateRules(risk=rules)})
    return good(policy=policy, **changes)


@pytest.mark.parametrize(
    ("facts", "tier", "why"),
    [
        (good(), RiskTier.LOW, "test-fix tasks begin as low"),
        (good(task=a_task(task_type="typo")), RiskTier.MEDIUM, "typo tasks begin as medium"),
        (good(paths=(".github/workflows/ci.yml",)), RiskTier.HIGH, "ci.yml: it changes what CI"),
        (good(paths=("app/migrations/0001_x.py",)), RiskTier.HIGH, "how data is kept"),
        (good(paths=("AGENTS.md",)), RiskTier.HIGH, "later agents"),
        (good(paths=("package-lock.json",)), RiskTier.MEDIUM, "third-party code"),
        (good(lines=201), RiskTier.MEDIUM, "201 lines, more than 200"),
        (good(lines=1001), RiskTier.HIGH, "1001 lines, more than 1000"),
        (good(findings=(finding(Severity.PERSON, "flaky-test"),)), RiskTier.MEDIUM, "flaky-test"),
        (good(findings=(finding(Severity.BLOCKER),)), RiskTier.HIGH, "a finding blocks it"),
        (
            with_rules(RiskRule(tier=RiskTier.HIGH, paths=("calc.py",), because="money", said_by="security.toml")),
            RiskTier.HIGH,
            "calc.py: money (security.toml)",
        ),
    ],
)
def test_the_highest_tier_that_anything_speaks_for_counts(facts: GateFacts, tier: RiskTier, why: str) -> None:
    risk = assess(facts)
    assert risk.tier is tier
    assert any(why in reason.text for reason in risk.reasons if reason.tier is tier), risk.reasons


def test_a_rule_takes_all_of_its_conditions_to_fit() -> None:
    rule = RiskRule(tier=RiskTier.HIGH, paths=("calc.py",), more_lines_than=10)
    assert assess(with_rules(rule, lines=10)).tier is RiskTier.LOW
    assert assess(with_rules(rule, lines=11)).tier is RiskTier.HIGH
    assert assess(with_rules(rule, lines=11, paths=("other.py",))).tier is RiskTier.LOW


@given(drawn.anything)
def test_no_owner_s_rule_lowers_the_tier(facts: GateFacts) -> None:
    without = facts.policy.gate.model_copy(update={"risk": ()})
    plain = GateFacts(**(vars(facts) | {"policy": facts.policy.model_copy(update={"gate": without})}))
    assert assess(facts).tier.rank >= assess(plain).tier.rank


def test_a_path_that_is_no_text_can_be_printed() -> None:
    rule = RiskRule(tier=RiskTier.HIGH, paths=("*",), because="all")
    assess(with_rules(rule, paths=("a\udcff\n",))).model_dump_json()
