"""Changed code: its statements, and faults that a test of each should notice. Plain classes, handed over as JSON."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """One fault, as the text that takes a place in the source: lines from 0, columns in bytes of UTF-8."""

    first: int
    start: int
    last: int
    end: int
    text: str
    what: str
    """For people: `a + b` became `a - b`."""

    def applied(self, source: bytes) -> bytes:
        """The source with the fault in it."""
        lines = source.splitlines(keepends=True)
        head, tail = lines[self.first][: self.start], lines[self.last][self.end :]
        return b"".join([*lines[: self.first], head + self.text.encode() + tail, *lines[self.last + 1 :]])


@dataclass(frozen=True)
class Statement:
    """A statement, or the head of a compound one, that a changed line is part of."""

    line: int
    end: int
    mutants: tuple[Mutant, ...]
    offset: int = -1
    """Where it begins, in UTF-16 units from the beginning of the file, as JavaScript's engines count."""


@dataclass(frozen=True)
class Changed:
    """A changed file of code."""

    path: str
    source: bytes
    statements: tuple[Statement, ...]


def statement_of(data: dict[str, Any]) -> Statement:
    """A statement out of JSON."""
    mutants = tuple(Mutant(**mutant) for mutant in data["mutants"])
    return Statement(data["line"], data["end"], mutants, data["offset"])
