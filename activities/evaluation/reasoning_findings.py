"""Findings about the agent's own words: none at all, or words that the evidence contradicts."""

from collections.abc import Iterator

from activities.evaluation.claims import claims, contradicted
from activities.evaluation.judged import Judged
from activities.evaluation.quoting import without_secrets
from workflows.models.evidence import Finding, Severity

_FEWEST_WORDS = 3
"""`Done.` explains nothing."""


def missing_reasoning(judged: Judged) -> Iterator[Finding]:
    """A patch about which its agent says nothing."""
    if judged.reasoning is None:
        return
    words = [word for word in judged.reasoning.split() if any(character.isalnum() for character in word)]
    if len(words) < _FEWEST_WORDS:
        message = "the agent does not say what it did and why, so nothing can be held against the patch"
        yield Finding(rule="no-reasoning", severity=Severity.PERSON, message=message)


def contradicted_claims(judged: Judged) -> Iterator[Finding]:
    """What the agent says and what was found out do not fit together."""
    for claim in contradicted(claims(judged)):
        message = without_secrets(f"the agent says {claim.said!r}, but {claim.shown_by}")
        yield Finding(rule="claim-contradicted", severity=Severity.PERSON, message=message)
