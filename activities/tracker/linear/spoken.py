"""Commands in Linear: `/agent WORDS`, or the App's name first. Pure."""

import re
from collections.abc import Collection

from activities.webhooks.commands import Command, command

_LINK = r"(?:\[@?{name}\]\([^)\s]{{0,300}}\)|@{name}|https://linear\.app/[\w-]+/profiles/{name})"
_AFTER = r"(?![\w-])[ \t]*[:,]?\s*(.*)"
_APPROVE = re.compile(r"approve(?:[ \t]+`?([0-9a-fA-F]{7,64})`?)?[ \t.!]*")
_LONGEST_NAME = 100


def spoken(body: str, names: Collection[str]) -> Command | None:
    """The command in a comment; None if it speaks to nobody here. `names`: of the App, as people mention it."""
    text = body.lstrip()
    # The longest first: one name may begin another.
    for name in sorted(names, key=len, reverse=True):
        if not 0 < len(name) <= _LONGEST_NAME:
            continue
        mention = _LINK.format(name=re.escape(name))
        if found := re.match(mention + _AFTER, text, re.IGNORECASE | re.DOTALL):
            return command(f"/agent {found[1].strip()}".rstrip())
    return command(body)


def may_be_spoken(body: str) -> bool:
    """The same where the App's name is not known: False only if it certainly is none."""
    return body.lstrip().startswith(("@", "[", "https://linear.app/")) or command(body) is not None


def approval(words: str) -> str | None:
    """The commit that is approved by these words, empty if they name none; None if they approve nothing."""
    found = _APPROVE.fullmatch(words.strip())
    return (found[1] or "").lower() if found else None
