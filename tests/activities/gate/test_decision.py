"""What the gate must never do, whatever it is given; and what it does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.gate.decision import decide
from activities.gate.facts import GateFacts
from tests.activities.gate import facts as drawn
from tests.activities.gate.facts import a_task, finding, good
from workflows.models.evidence import Severity
from workflows.models.gate import GateRules, OwnedPaths, Permit, RiskRule, RiskTier, Verdict

ORDER = [Severity.NOTE, Severity.PERSON, Severity.BLOCKER]
some = st.one_of(drawn.anything, drawn.almost_good)


def verdict(facts: GateFacts) -> Verdict:
    return decide(facts, "head", "evidence")


@given(some)
def test_no_input_whatever_lets_a_first_phase_approve(facts: GateFacts) -> None:
    assert verdict(replace(facts, earned=1)).permits is Permit.PERSON
    allowed = facts.policy.model_copy(update={"gate": facts.policy.gate.model_copy(update={"phase": 1})})
    assert verdict(replace(facts, policy=allowed)).permits is Permit.PERSON


@given(some)
def test_no_input_whatever_lets_a_second_phase_merge(facts: GateFacts) -> None:
    assert verdict(replace(facts, earned=min(facts.earned, 2))).permits is not Permit.MERGE


@given(some, st.sampled_from(ORDER), st.sampled_from(["odd", "flaky-test", "new"]))
def test_one_more_finding_never_permits_more(facts: GateFacts, severity: Severity, rule: str) -> None:
    more = replace(facts, findings=(*facts.findings, finding(severity, rule)))
    assert verdict(more).permits.rank <= verdict(facts).permits.rank
    assert verdict(more).risk.tier.rank >= verdict(facts).risk.tier.rank


@given(some)
def test_a_worse_finding_never_permits_more(facts: GateFacts) -> None:
    worse = replace(
        facts,
        findings=tuple(
            each.model_copy(update={"severity": ORDER[min(2, ORDER.index(each.severity) + 1)]})
            for each in facts.findings
        ),
    )
    assert verdict(worse).permits.rank <= verdict(facts).permits.rank


@given(some, st.data())
def test_a_stricter_policy_never_permits_more_and_never_asks_fewer_people(
    facts: GateFacts, data: st.DataObject
) -> None:
    gate = facts.policy.gate
    rule = RiskRule(tier=data.draw(drawn.tiers), more_lines_than=data.draw(st.integers(0, 500)))
    stricter = gate.model_copy(
        update={
            "phase": data.draw(st.integers(1, gate.phase)),
            "risk": (*gate.risk, rule),
            "approvals": {tier: max(gate.approvals.get(tier, 1), 2) for tier in RiskTier},
            "most_lines": data.draw(st.integers(0, gate.most_lines)),
            "most_files": data.draw(st.integers(0, gate.most_files)),
        }
    )
    under = replace(facts, policy=facts.policy.model_copy(update={"gate": stricter}))
    assert verdict(under).permits.rank <= verdict(facts).permits.rank
    assert verdict(under).needs.count >= 2


@given(some)
def test_less_trust_never_permits_more(facts: GateFacts) -> None:
    less = replace(facts, earned=max(1, facts.earned - 1))
    assert verdict(less).permits.rank <= verdict(facts).permits.rank


@given(some)
def test_a_longer_patch_never_permits_more(facts: GateFacts) -> None:
    longer = replace(facts, lines=facts.lines + 100, paths=(*facts.paths, "one/more.py"))
    assert verdict(longer).permits.rank <= verdict(facts).permits.rank


@given(some)
def test_what_is_declined_says_why(facts: GateFacts) -> None:
    found = verdict(facts)
    assert (found.permits is Permit.MERGE) == (not found.reasons)
    assert found.risk.reasons


def test_a_third_phase_merges_what_is_low_in_risk_and_well_specified() -> None:
    assert verdict(good()).permits is Permit.MERGE


def test_a_second_phase_approves_it_and_leaves_the_merge_to_a_person() -> None:
    found = verdict(good(earned=2))
    assert (found.permits, found.reasons) == (Permit.APPROVE, ("phase 2: policy approves, and a person merges",))


def policy_with(**gate: object) -> GateFacts:
    facts = good()
    return replace(facts, policy=facts.policy.model_copy(update={"gate": GateRules.model_validate(gate)}))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (good(earned=1), "phase 1: test-fix tasks have earned no more here"),
        (policy_with(phase=1), "phase 1: policy allows no more here"),
        (good(task=a_task(task_type="feature")), "its risk is high"),
        (good(checks_pass=False), "not every check passes"),
        (good(findings=(finding(Severity.PERSON, "flaky-test"),)), "findings that a person has to look at: flaky-test"),
        (good(policy=good().policy.model_copy(update={"task_type_scope": ()})), "no paths are stated"),
        (good(policy=good().policy.model_copy(update={"checks": ()})), "no checks are known"),
        (policy_with(most_lines=1), "2 lines are changed, and policy approves at most 1"),
        (policy_with(most_files=0), "1 files are changed"),
        (good(binaries=1), "binary files"),
        (good(owned=(OwnedPaths(names=("@a",)),)), "its paths have owners"),
    ],
)
def test_a_person_decides_and_is_told_why(facts: GateFacts, why: str) -> None:
    found = verdict(facts)
    assert found.permits is Permit.PERSON
    assert any(why in reason for reason in found.reasons), found.reasons


@pytest.mark.parametrize(
    ("task", "turned", "why"),
    [
        (a_task(acceptance=()), 1, "no acceptance criteria"),
        (a_task(), 0, "no test failed before the patch"),
        (a_task(goal="fix the bug", scope=(), acceptance=()), 1, "the goal is vague"),
    ],
)
def test_policy_does_not_merge_what_was_not_well_specified(task: object, turned: int, why: str) -> None:
    found = verdict(good(task=task, turned=turned))
    assert found.permits is Permit.APPROVE
    assert any(why in reason for reason in found.reasons), found.reasons


def test_ten_thousand_findings_make_a_verdict_that_can_still_be_read() -> None:
    flood = tuple(finding(Severity.PERSON, f"rule-{number}") for number in range(10_000))
    verdict = decide(good(findings=flood), "h", "e")
    assert verdict.permits is Permit.PERSON
    assert len(verdict.model_dump_json()) < 4000
