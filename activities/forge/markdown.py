"""Text from outside as Markdown that can't pose as ours: no links, no images, no mentions, no trailers, no orders."""

import re

_CLOSES = re.compile(
    r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(:?\s+)(?=(?:[\w.-]+/[\w.-]+)?#\d|GH-\d|https?://\S+/\d)", re.IGNORECASE
)
"""https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue"""


def closing_nothing(text: str) -> str:
    """The text without what GitHub closes an issue for, once it is in a pull request or a commit that was merged."""
    return _CLOSES.sub(r"\1\2issue ", text)


def quoted(text: str, most: int) -> str:
    """Untrusted text as a Markdown quote of plain lines; in a commit message it can't look like a trailer either."""
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    lines = [line.rstrip() for line in closing_nothing(plain[:most]).splitlines()] or [""]
    # An entity shows as @ but notifies nobody; links and images lose their brackets' meaning.
    return "\n".join(
        "> " + line.replace("<", "&lt;").replace("@", "&#64;").replace("](", "] (").replace("![", "! [")
        for line in lines
    )


def code(text: str) -> str:
    """The same as one line of inline code."""
    line = " ".join(one_line(text).replace("`", "'").replace("|", "/").split())
    return f"`{line[:300] or '-'}`"


def one_line(text: str) -> str:
    """Without line breaks and whatever can't be printed."""
    return "".join(c if c.isprintable() else " " for c in text)
