"""Which issue of the tracker somebody names in their words: then that is what they ask for. Pure."""

import re
from collections.abc import Collection

_NAMED = re.compile(r"(?:(?<![A-Za-z0-9_/-])|(?<=/issue/))([A-Za-z][A-Za-z0-9]{0,9})-([1-9]\d{0,6})(?![A-Za-z0-9_-])")
_LONGEST = 20_000


def named_issue(words: str, teams: Collection[str]) -> str:
    """The one issue that is named, such as `ENG-123`; empty if none is, or several are. `teams`: keys that count.

    Of several nobody knows which is meant: such words stand for themselves.
    """
    named = {f"{team.upper()}-{number}" for team, number in _NAMED.findall(words[:_LONGEST]) if team.upper() in teams}
    return named.pop() if len(named) == 1 else ""


def issue_key(identifier: str) -> str:
    """The intent's key of an issue."""
    return f"linear:{identifier}"
