"""Words in Slack: ours are formatted, and what others wrote can't mention, link, format or turn around what is shown.

Slack reads `&`, `<` and `>` as the beginnings of mentions, links and dates in every text (docs.slack.dev, Formatting
message text); written as entities they are nothing but themselves.
"""

import re
import unicodedata
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

from activities.agents.plain_text import plain

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LONGEST_ENTITY = 5
_FROM_THE_RIGHT = frozenset({"R", "AL", "AN"})
_ISOLATE, _POP = "\u2068", "\u2069"
"""What is written from right to left between them moves nothing outside of them (Unicode standard annex 9)."""
_USER = re.compile(r"[UW][A-Z0-9]{2,20}")
_LONGEST_LINK = 500


def shown(text: str, most: int) -> str:
    """What others wrote, for a text that Slack does not format: as many characters, as Slack counts them."""
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in plain(text, most))
    clean = re.sub(r"\n{3,}", "\n\n", clean).strip()
    return _fitting(clean, most) or "-"


def code(text: str, most: int = 150) -> str:
    """The same as one line of inline code, which stays where it is whichever way it is written."""
    clean = "".join(c if c.isprintable() else " " for c in plain(text, most))
    line = " ".join(clean.replace("`", "'").split())
    fitting = _fitting(line, most - 4) or "-"
    turns = any(unicodedata.bidirectional(c) in _FROM_THE_RIGHT for c in fitting)
    return f"`{_ISOLATE}{fitting}{_POP}`" if turns else f"`{fitting}`"


def when(at: datetime, form: str = "{date_short_pretty} {time}") -> str:
    """A moment as each reader's own clock says it, so that it needs no update."""
    return f"<!date^{int(at.timestamp())}^{form}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def link(address: str, label: str, below: str = "") -> str:
    """A link; as code where the address is none of the web, or is not below the one where it has to be."""
    parts = _parts(address)
    ours = not below or address == below or address.startswith(f"{below.rstrip('/')}/")
    of_the_web = parts is not None and parts.scheme in {"http", "https"} and bool(parts.netloc)
    if not of_the_web or not ours or set(address) & set(" |"):
        return code(address, 300)
    return f"<{address.translate(_ENTITIES)}|{label}>"


def _parts(address: str) -> SplitResult | None:
    try:
        return urlsplit(address) if len(address) <= _LONGEST_LINK and address.isprintable() else None
    except ValueError:
        return None


def mention(user: str) -> str:
    """Somebody whom the directory names, so that Slack tells them; empty if this is no id of Slack's."""
    return f"<@{user}>" if _USER.fullmatch(user) else ""


def usd(micro_usd: int) -> str:
    """Money as people write it."""
    return f"{micro_usd / 1_000_000:.2f} USD"


def _fitting(text: str, most: int) -> str:
    """Escaped, and cut where it would be longer: between characters, never within an entity."""
    escaped = text.translate(_ENTITIES)
    if len(escaped) <= most:
        return escaped
    left = most - 1
    kept: list[str] = []
    for character in text:
        one = character.translate(_ENTITIES)
        if len(one) > left:
            break
        kept.append(one)
        left -= len(one)
    return "".join(kept).rstrip() + "…"
