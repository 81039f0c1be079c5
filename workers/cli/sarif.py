"""Evidence as SARIF 2.1.0, the format in which code hosts and editors take findings of other tools.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import hashlib
from importlib import metadata
from typing import Any
from urllib.parse import quote

from activities.evaluation.rules import RULES
from workflows.models.evidence import Evidence, Finding, Severity

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.BLOCKER: "error", Severity.PERSON: "warning", Severity.NOTE: "note"}
_ROOT = "SRCROOT"


def sarif(evidence: Evidence) -> dict[str, Any]:
    """One log with one run: what was found in this head."""
    names = list(dict.fromkeys(finding.rule for finding in evidence.findings))
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Journeyman",
                        "semanticVersion": metadata.version("journeyman"),
                        "rules": [_rule(name) for name in names],
                    }
                },
                "automationDetails": {"id": f"journeyman/{evidence.task_id}/"},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
                "results": [_result(finding, names) for finding in evidence.findings],
                "properties": {
                    "baseCommit": evidence.base_commit,
                    "head": evidence.head,
                    "evidenceHash": evidence.digest(),
                    "policyHash": evidence.policy_hash,
                },
            }
        ],
    }


def _rule(name: str) -> dict[str, Any]:
    known = RULES.get(name)
    if known is None:
        # Of evidence that another version put on record.
        return {"id": name}
    rule: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": known.meaning},
        "defaultConfiguration": {"level": _LEVELS[known.severity]},
    }
    if known.help:
        rule["help"] = {"text": known.help}
    return rule


def _result(finding: Finding, names: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": names.index(finding.rule),
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message or finding.rule},
        # Without the line: it is the same finding where code above it grew.
        "partialFingerprints": {"journeymanFinding/v1": _fingerprint(finding)},
        "properties": {"severity": finding.severity.value},
    }
    if finding.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.path.lstrip("/")), "uriBaseId": _ROOT}}
        if finding.line > 0:
            place["region"] = {"startLine": finding.line}
        result["locations"] = [{"physicalLocation": place}]
    return result


def _fingerprint(finding: Finding) -> str:
    parts = "\0".join((finding.rule, finding.path, finding.message))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()
