"""Text from agents and checks, made safe to store as JSON and to show in a terminal, a PR or a prompt."""

import re

_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor movement (ECMA-48)
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\\\|\x9c)?"  # OSC, DCS: titles, links
    "|\x1b[ -/]*[0-~]?"
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"  # zero-width, bidirectional: text that reads otherwise
    "\U000e0000-\U000e007f]"  # tags: text that only a model sees
)


def plain(text: str, limit: int) -> str:
    """The text without escapes and unseen characters, at most `limit` characters, saying how much is left out."""
    # Beyond this nothing is looked at: cleaning must not cost more than what is kept.
    window = 4 * limit + 1024
    seen = text[:window].replace("\r\n", "\n")
    cleaned = _UNSEEN.sub("", _ESCAPES.sub("", seen)).encode("utf-8", "replace").decode()
    left_out = max(0, len(text) - window) + max(0, len(cleaned) - limit)
    return f"{cleaned[:limit]} [{left_out} more characters]" if left_out > 0 else cleaned
