"""Takes secrets out of text: those that are known here, and what has the shape of one.

What is taken out is replaced by as many characters, so that an offset into what was printed stays right.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from activities.redaction.detectors import certain, spans

MARK = "[redacted]"
_SHORTEST_KNOWN = 8
"""A known secret that is shorter would be found all over ordinary text."""
_PIECE = 64 * 1024
"""Searched at a time: while one pattern is matched, nothing else of this process goes on."""
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----[A-Za-z0-9+/=\s\\:,.-]{0,20000}?"
    r"(-----END [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----|(?=[^A-Za-z0-9+/=\s\\:,.-])|\Z)"
)
"""With its contents, also as one line with `\\n` in it, as JSON has it."""


class Redactor:
    """Knows the secrets of this process, and the shapes of everybody's."""

    def __init__(self, known: Callable[[], Iterable[str]] = tuple) -> None:
        self._known = known

    def text(self, text: str) -> str:
        """The same text without secrets, as long as before."""
        redacted, _ = self.named(text)
        return redacted

    def named(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The same, and which kinds of secret were taken out."""
        kinds: list[str] = []
        for secret in sorted(self._known(), key=len, reverse=True):
            if len(secret) >= _SHORTEST_KNOWN and secret in text:
                text = text.replace(secret, _mark(len(secret)))
                kinds.append("a key of this installation")
        if _KEY_BLOCK.search(text):
            text = _KEY_BLOCK.sub(lambda found: _mark(len(found[0])), text)
            kinds.append("Private Key")
        pieces = []
        for piece in _pieces(text):
            clean = piece
            for detector in certain():
                for start, end in spans(detector, clean):
                    if MARK not in clean[start:end] and set(clean[start:end]) != {"*"}:
                        clean = clean[:start] + _mark(end - start) + clean[end:]
                        kinds.append(str(detector.secret_type))
            pieces.append(clean)
        return "".join(pieces), tuple(dict.fromkeys(kinds))

    def output(self, data: bytes) -> bytes:
        """The same for what a program printed, whatever bytes are in it."""
        # One character for each byte, so that the length stays and what is no text comes through as it was.
        return self.text(data.decode("latin-1")).encode("latin-1")


def _mark(length: int) -> str:
    return MARK + "*" * (length - len(MARK)) if length >= len(MARK) else "*" * length


def _pieces(text: str) -> Iterator[str]:
    """Cut at ends of lines, where there are any."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
            end = end if end > start else start + _PIECE
        yield text[start:end]
        start = end
