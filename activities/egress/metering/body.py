"""Reads a request to a model as it streams by: how much it may use, and whether its use can be counted at all.

The body itself is passed on by Envoy; this is a copy, and of it only a few values at the top of the JSON are kept,
wherever in it they stand. It may be anything. What can't be read says nothing, and the most is assumed.
"""

import json
import re
from collections import defaultdict

from activities.egress.contract import UsageDialect

REFUSED_DETAILS = "request_can_not_be_counted"
"""In the details of Envoy's record of a request that was refused for what its body asks."""
ASSUMED_TOKENS = 32_000
"""What an answer may have for a request that states no bound of its own: more than nearly all have."""
_MOST_TOKENS = 131_072
_MOST_ANSWERS = 128
"""What is more than these no provider takes, so that a request can't hold back others by what it claims."""
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_KEPT = frozenset((*_LIMITS, "n", "model", "background"))
_MOST_KEPT = 200
_MOST_VALUES = 16
_MOST_MARKS = 100_000
"""Signs that are looked at: a tenth of a second's work, and more than the longest conversation with an agent has."""
_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_TOP = re.compile(rb'["{}\[\],:]')
_BELOW = re.compile(rb'["{}\[\]]')


class BodyReader:
    """One request's body. Never raises on what it holds."""

    def __init__(self) -> None:
        self.size = 0
        self.whole = False
        """Whether all of it has come: a provider does not begin before."""
        self._values: defaultdict[str, list[object]] = defaultdict(list)
        self._depth = 0
        self._begun = self._unreadable = False
        self._in_text = self._in_escape = False
        self._marks = 0
        self._key: str | None = None
        self._part = bytearray()
        """Of the key or value at the top that is being read, no more than could matter."""

    def feed(self, piece: bytes) -> None:
        """Read the next piece."""
        self.size += len(piece)
        at = 0
        # JSON in UTF-8 has none; in UTF-16 no name in it would be found.
        self._unreadable |= b"\0" in piece
        if not self._begun:
            at = len(piece) - len(piece.lstrip())
            self._begun = at < len(piece)
            self._unreadable |= self._begun and piece[at : at + 1] != b"{"
        while at < len(piece) and not self._unreadable:
            at = self._text(piece, at) if self._in_text else self._mark(piece, at)

    def refusal(self, dialect: UsageDialect | None) -> str:
        """Why this request may not go on, as far as it was read; empty if it may."""
        if dialect is UsageDialect.OPENAI_RESPONSES:
            if any(value not in (None, False) for value in self._values["background"]):
                return (
                    "`background` asks for an answer that is fetched later, which is not counted. Leave it out, and "
                    "have the answer streamed"
                )
            if self._unreadable:
                return "its body is not JSON in UTF-8, or too much of it, so that what it asks for can't be told"
        return ""

    @property
    def model(self) -> str:
        """The one that is asked for; empty if that can't be told."""
        named = [value for value in self._values["model"] if isinstance(value, str)]
        return named[-1] if named and not self._unreadable else ""

    @property
    def most_tokens(self) -> int:
        """How many tokens the answer may have."""
        limits = [count for name in _LIMITS for value in self._values[name] if (count := _count(value))]
        answers = max((_count(value) for value in self._values["n"]), default=1)
        most = _MOST_TOKENS if self._unreadable else max(limits, default=ASSUMED_TOKENS)
        return min(most, _MOST_TOKENS) * max(1, min(answers, _MOST_ANSWERS))

    def _text(self, piece: bytes, at: int) -> int:
        """Read on within a string; returns where it stopped."""
        if self._in_escape:
            self._keep(piece[at : at + 1])
            self._in_escape = False
            at += 1
        match = _TEXT.match(piece, at)
        end = match.end() if match else at
        self._keep(piece[at:end])
        if end < len(piece):
            self._keep(piece[end : end + 1])
            self._in_escape = piece[end] == ord("\\")
            self._in_text = self._in_escape
        return end + 1

    def _mark(self, piece: bytes, at: int) -> int:
        """Read on outside of strings, to the next sign that means something; returns where it goes on."""
        self._marks += 1
        self._unreadable |= self._marks > _MOST_MARKS
        match = (_TOP if self._depth == 1 else _BELOW).search(piece, at)
        end = match.start() if match else len(piece)
        self._keep(piece[at:end])
        sign = piece[end : end + 1]
        if sign == b'"':
            self._in_text = True
            self._keep(sign)
        elif sign in (b"{", b"["):
            self._keep(sign)
            self._depth += 1
        elif sign in (b"}", b"]"):
            if self._depth == 1:
                self._settle()
            self._depth = max(0, self._depth - 1)
        elif sign == b":":
            self._key = _name(bytes(self._part))
            self._part.clear()
        elif sign == b",":
            self._settle()
        return end + 1

    def _keep(self, part: bytes) -> None:
        if self._depth == 1 and len(self._part) < _MOST_KEPT:
            self._part += (part if self._part else part.lstrip())[:_MOST_KEPT]

    def _settle(self) -> None:
        """A value at the top has ended."""
        if self._key in _KEPT:
            values = self._values[self._key]
            self._unreadable |= len(values) >= _MOST_VALUES
            try:
                values.append(json.loads(bytes(self._part)))
            except ValueError:
                # An object, a list, or something too long.
                values.append(bytes(self._part).decode(errors="replace"))
        self._key = None
        self._part.clear()


def _name(text: bytes) -> str | None:
    try:
        name = json.loads(text)
    except ValueError:
        return None
    return name if isinstance(name, str) else None


def _count(value: object) -> int:
    """A number as a provider might read it; nothing for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0
    try:
        return max(0, int(min(float(value), 1e9)))
    except (ValueError, OverflowError):
        return 0
