"""Findings leave as SARIF that other tools take, whatever is in them; and no rule is without a meaning."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import activities.evaluation
from activities.evaluation.rules import RULES
from workers.cli.sarif import sarif
from workflows.models.evidence import CheckRun, Evidence, Finding, Severity

RUN = CheckRun(tree="t")
NO_RULES = {"test-fix"}
"""Words of the same form that detectors use for something else."""


def of(*findings: Finding) -> dict[str, Any]:
    evidence = Evidence(
        task_id="t1", base_commit="b", head="h", policy_hash="p", base=RUN, guarded=RUN, patched=RUN, findings=findings
    )
    return sarif(evidence)


def assert_valid(log: dict[str, Any]) -> None:
    """What the schema of SARIF 2.1.0 requires of the objects that are used here."""
    assert set(log) <= {"$schema", "version", "runs", "properties"}
    assert log["version"] == "2.1.0"
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"]
        rules = driver["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        for rule in rules:
            assert set(rule) <= {"id", "shortDescription", "defaultConfiguration", "help"}
            assert all(rule[key]["text"] for key in ("shortDescription", "help") if key in rule)
        for result in run["results"]:
            assert result["message"]["text"]
            assert result["level"] in {"none", "note", "warning", "error"}
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert all(isinstance(each, str) for each in result["partialFingerprints"].values())
            for location in result.get("locations", []):
                place = location["physicalLocation"]
                # RFC 3986: nothing that would have to be escaped, and relative to the base that is named.
                assert re.fullmatch(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]+", place["artifactLocation"]["uri"])
                assert not place["artifactLocation"]["uri"].startswith("/")
                assert place["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
                assert place.get("region", {"startLine": 1})["startLine"] >= 1
    json.loads(json.dumps(log))


FINDINGS = st.builds(
    Finding,
    rule=st.sampled_from([*RULES, "of-a-later-version"]),
    severity=st.sampled_from(list(Severity)),
    message=st.text(st.characters(exclude_categories=["Cs"])),
    path=st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(
        lambda path: path == "" or path.strip("/")
    ),
    line=st.integers(0, 10**6),
)


@settings(deadline=None)
@given(st.lists(FINDINGS, max_size=20))
def test_whatever_is_found_is_valid_sarif(findings: list[Finding]) -> None:
    assert_valid(of(*findings))
    assert len(of(*findings)["runs"][0]["results"]) == len(findings)


def test_a_finding_keeps_level_place_and_identity() -> None:
    finding = Finding(rule="secret", severity=Severity.BLOCKER, message="m", path="src/a b.py", line=7)
    run = of(finding)["runs"][0]
    result = run["results"][0]
    assert (result["ruleId"], result["level"]) == ("secret", "error")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "src/a%20b.py", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 7},
    }
    moved = of(finding.model_copy(update={"line": 9}))["runs"][0]["results"][0]
    other = of(finding.model_copy(update={"path": "src/b.py"}))["runs"][0]["results"][0]
    assert moved["partialFingerprints"] == result["partialFingerprints"] != other["partialFingerprints"]
    assert run["tool"]["driver"]["rules"][0]["shortDescription"]["text"] == RULES["secret"].meaning


def test_a_finding_without_a_place_has_none_and_no_finding_is_an_empty_list() -> None:
    assert (
        "locations" not in of(Finding(rule="no-checks", severity=Severity.PERSON, message="m"))["runs"][0]["results"][0]
    )
    assert_valid(of())


def named_in_the_code() -> set[str]:
    folder = Path(str(activities.evaluation.__file__)).parent
    detectors = [*folder.glob("*findings.py"), folder / "shadowing.py", folder / "weakening" / "comparison.py"]
    words = {
        node.value
        for file in detectors
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    form = re.compile(r"[a-z]+(-[a-z]+)+")
    return {word for word in words if form.fullmatch(word) or word in RULES} - NO_RULES


def test_every_rule_that_detectors_name_has_a_meaning_and_every_meaning_a_rule() -> None:
    assert named_in_the_code() == set(RULES), "write it into activities/evaluation/rules.py"


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_s_meaning_is_one_sentence_for_people(name: str) -> None:
    meaning = RULES[name].meaning
    assert meaning.endswith(".")
    assert meaning[0].isupper()
    assert len(meaning) < 120
