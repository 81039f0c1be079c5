"""What GitHub's page does not show of a text: whoever quotes it, labels it or answers it has not seen that. Pure."""

import re

from activities.agents.plain_text import plain

_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def without_hidden(text: str) -> str:
    """The text without HTML comments."""
    return _HIDDEN.sub("", text)


def shown(text: str, limit: int) -> str:
    """The text as a person sees it, at most `limit` characters, saying how much is left out."""
    return plain(without_hidden(text), limit)
