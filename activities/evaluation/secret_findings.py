"""Secrets in what a patch adds. A finding says where and of which kind, and never repeats the secret."""

from collections.abc import Iterator
from time import monotonic

from detect_secrets.plugins.base import BasePlugin

from activities.evaluation.changes import PatchLine, is_readable
from activities.evaluation.judged import Judged
from activities.evaluation.paths import shown
from activities.redaction.detectors import certain, likely
from workflows.models.evidence import Finding, Severity

MOST_CHARACTERS = 4 * 1024 * 1024
"""Of added text; a patch with more is over every sensible size limit, and a person is told."""
MOST_SECONDS = 60
"""Text can be made so that searching it takes long; then too a person is told."""
LIKELY_CHARS = 400
"""Detectors that are often wrong are also slow on long lines: by the square of the length."""


def secrets(
    judged: Judged, *, most_characters: int = MOST_CHARACTERS, most_seconds: float = MOST_SECONDS
) -> Iterator[Finding]:
    """Added lines that hold what looks like a credential."""
    left = most_characters
    until = monotonic() + most_seconds
    searched = is_readable(judged.changes)
    for line in judged.added_lines:
        left -= len(line.text)
        if left < 0 or monotonic() > until:
            searched = False
            break
        if kind := _kind(certain(), line.text):
            message = f"looks like a secret ({kind}): take it out, and have it revoked if it is real"
            yield _at(line, "secret", Severity.BLOCKER, message)
        elif kind := next((kind for piece in _pieces(line.text) if (kind := _kind(likely(), piece))), ""):
            message = f"looks like a secret ({kind}): take it out, or confirm that it is none"
            yield _at(line, "possible-secret", Severity.PERSON, message)
    if not searched:
        message = "so much is added that not all of it was searched for secrets: do less, or look for them by hand"
        yield Finding(rule="secrets-not-searched", severity=Severity.PERSON, message=message)


def _kind(detectors: tuple[BasePlugin, ...], text: str) -> str:
    return next((str(one.secret_type) for one in detectors if any(one.analyze_string(text))), "")


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, max(1, len(text)), LIKELY_CHARS // 2):
        yield text[start : start + LIKELY_CHARS]


def _at(line: PatchLine, rule: str, severity: Severity, message: str) -> Finding:
    return Finding(rule=rule, severity=severity, message=message, path=shown(line.path), line=line.line)
