"""On which line of a TOML file a key stands: its parser does not say.

The file may be of a repository that anybody may have written, so nothing here takes longer than its length asks for.
"""

import re

_TABLE = re.compile(r"\[{1,2}([^\]]*)\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_PART = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")
_QUOTES = re.compile(r'"""|' + r"'''")


def line_of(text: str, key: str) -> int | None:
    """The first line that states a dotted key, or the table that it is in is written on; None if none is found."""
    wanted = _parts(key)
    table: tuple[str, ...] = ()
    inside = False
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        # A key in a text of several lines is no key.
        was_inside, inside = inside, inside ^ (len(_QUOTES.findall(line)) % 2 == 1)
        if was_inside:
            continue
        bare = line.strip()
        if header := _TABLE.match(bare):
            found = table = _parts(header.group(1))
        elif stated := _KEY.match(bare):
            found = (*table, *_parts(stated.group(1)))
        else:
            continue
        # The longest beginning of the key: what is left is in a table on one line.
        if wanted[: len(found)] == found and (best is None or len(found) > best[0]):
            best = (len(found), number)
    return best[1] if best else None


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(re.sub(r"\[\d+\]", "", key)))
