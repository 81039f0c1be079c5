"""Facts for the gate, by hand and as hypothesis draws them."""

from typing import Any

from hypothesis import strategies as st

from activities.gate.facts import GateFacts
from workflows.models.evidence import Finding, Severity
from workflows.models.gate import GateRules, OwnedPaths, RiskRule, RiskTier
from workflows.models.intent import Intent
from workflows.models.person import Person
from workflows.models.policy import Check, TaskPolicy
from workflows.models.task import Repository, Task

CHECKS = (Check(name="tests", command="pytest"),)


def a_task(**changes: Any) -> Task:
    values: dict[str, Any] = {
        "id": "t1",
        "intent": Intent(key="cli:1", requester=Person(id="ada")),
        "repository": Repository(url="/r", name="r"),
        "goal": "Mend add() in calc.py, which subtracts",
        "acceptance": ("add(2, 3) is 5",),
        "scope": ("calc.py",),
        "task_type": "test-fix",
    }
    return Task.model_validate(values | changes)


def good(**changes: Any) -> GateFacts:
    """Everything that policy could ask for before it merges."""
    values: dict[str, Any] = {
        "task": a_task(),
        "policy": TaskPolicy(checks=CHECKS, task_type_scope=("calc.py",), hash="p"),
        "paths": ("calc.py",),
        "lines": 2,
        "binaries": 0,
        "findings": (),
        "checks_pass": True,
        "turned": 1,
        "earned": 3,
    }
    return GateFacts(**(values | changes))


def finding(severity: Severity, rule: str = "odd") -> Finding:
    return Finding(rule=rule, severity=severity, message="m")


paths = st.lists(
    st.sampled_from(
        ["calc.py", "README.md", "docs/a.md", ".github/workflows/ci.yml", "AGENTS.md", "db/migrations/1.sql", "a\udcff"]
    ),
    max_size=15,
    unique=True,
).map(tuple)
findings = st.lists(
    st.builds(finding, st.sampled_from(list(Severity)), st.sampled_from(["odd", "flaky-test", "too-large"])), max_size=5
).map(tuple)
tiers = st.sampled_from(list(RiskTier))
rules = st.builds(
    GateRules,
    phase=st.integers(1, 3),
    task_types=st.dictionaries(st.sampled_from(["docs", "typo", "feature", "test-fix"]), tiers, max_size=3),
    risk=st.lists(
        st.builds(
            RiskRule,
            tier=tiers,
            paths=st.sampled_from([(), ("*.py",), ("docs/",)]),
            more_lines_than=st.sampled_from([None, 0, 5]),
            findings=st.sampled_from([(), ("odd",)]),
        ),
        max_size=3,
    ).map(tuple),
    approvals=st.dictionaries(tiers, st.integers(1, 3)),
    most_lines=st.integers(0, 300),
    most_files=st.integers(0, 12),
)
policies = st.builds(
    TaskPolicy,
    checks=st.sampled_from([(), CHECKS]),
    scope=st.sampled_from([(), ("*",)]),
    task_type_scope=st.sampled_from([(), ("calc.py",)]),
    gate=rules,
)
tasks = st.builds(
    a_task,
    goal=st.sampled_from(["fix it", "Mend add() in calc.py", "improve the code"]),
    acceptance=st.sampled_from([(), ("add(2, 3) is 5",)]),
    scope=st.sampled_from([(), ("calc.py",)]),
    task_type=st.sampled_from(["docs", "test-fix", "bug-fix", "feature", "typo"]),
)
owned = st.sampled_from([(), (OwnedPaths(names=("@a/b",), persons=("ada",), paths=("calc.py",)),)])
anything = st.builds(
    GateFacts,
    task=tasks,
    policy=policies,
    paths=paths,
    lines=st.integers(0, 2000),
    binaries=st.integers(0, 2),
    findings=findings,
    checks_pass=st.booleans(),
    turned=st.integers(0, 3),
    earned=st.integers(1, 3),
    owned=owned,
)
"""Whatever there can be."""
almost_good = st.builds(
    good,
    lines=st.integers(0, 250),
    paths=paths,
    turned=st.integers(0, 2),
    earned=st.integers(1, 3),
    findings=findings.map(lambda found: found[:1]),
)
"""Of what is drawn at random nearly nothing is permitted; of these much is."""
