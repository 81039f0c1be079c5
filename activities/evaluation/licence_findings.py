"""Licence headers, where the team's file asks for them.

What is asked for is plain text, in which `{year}` stands for a year or a range of years: the file comes from a
repository, and a regular expression could be made to take for ever.
"""

import re
from collections.abc import Iterator

from activities.evaluation import paths
from activities.evaluation.changes import GITLINK, SYMLINK
from activities.evaluation.judged import Judged
from activities.evaluation.paths import shown
from workflows.models.evidence import Finding, Severity
from workflows.models.policy import LicenceHeader

_WITHIN = 40
"""Lines at the top of a file."""
_COMMENT = re.compile(r"^[\s#/*;<!%-]+|[\s*>-]+$")
_YEARS = r"\d{4}(?: ?[-–,] ?\d{4})*"


def licence_headers(judged: Judged) -> Iterator[Finding]:
    """New files without the header that they should have, and files that lose theirs."""
    for header in judged.policy.licence_headers:
        pattern = _pattern(header)
        chosen = [
            change
            for change in judged.changes
            if not change.is_deleted
            and not change.binary
            and change.new_mode not in (SYMLINK, GITLINK)
            and change.new_size
            and paths.matches(change.path, header.paths)
        ]
        added, removed = _tops(judged, {change.path for change in chosen})
        for change in chosen:
            has = pattern.search(added.get(change.path, "")) is not None
            if change.is_added and not has:
                message = f"was added without the licence header that team.toml asks for: {header.text[:200]!r}"
                yield Finding(
                    rule="licence-header-missing", severity=Severity.BLOCKER, message=message, path=shown(change.path)
                )
            elif not change.is_added and not has and pattern.search(removed.get(change.path, "")):
                message = "loses its licence header: put it back"
                yield Finding(
                    rule="licence-header-missing", severity=Severity.BLOCKER, message=message, path=shown(change.path)
                )


def _pattern(header: LicenceHeader) -> re.Pattern[str]:
    words = [re.escape(part) for part in _plain(header.text.splitlines()).split("{year}")]
    return re.compile(_YEARS.join(words), re.IGNORECASE)


def _tops(judged: Judged, wanted: set[str]) -> tuple[dict[str, str], dict[str, str]]:
    """What is added to, and taken from, the top of each file, as one line."""
    tops: list[dict[str, str]] = []
    for lines in (judged.added_lines, judged.removed_lines):
        found: dict[str, list[str]] = {}
        for line in lines:
            if line.path in wanted and line.line <= _WITHIN:
                found.setdefault(line.path, []).append(line.text)
        tops.append({path: _plain(texts) for path, texts in found.items()})
    return tops[0], tops[1]


def _plain(lines: list[str]) -> str:
    """Without what makes it a comment, so that one header fits every language."""
    return " ".join(word for line in lines for word in _COMMENT.sub("", line).split())
