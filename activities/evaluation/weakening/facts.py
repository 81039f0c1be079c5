"""What a file of tests asserts, mocks and allows, in terms that hold for every test runner.

Plain classes without a dependency: a process of its own fills them in and hands them over as JSON.
"""

from dataclasses import dataclass, field
from typing import Any

SHOWN_CHARS = 2000
"""More than a finding shows: what looks like a secret in it is taken out before it is cut to that."""
EXACT = 100
"""Strength of an assertion that holds for one value alone."""


@dataclass(frozen=True)
class Assertion:
    """One thing that a test demands."""

    line: int
    subject: str
    """What is looked at: an expression, in one spelling."""
    relation: str
    """How it is looked at, such as `==` or `toBeCloseTo`."""
    expected: str = ""
    strength: int = 0
    """How much it rules out, from 0 (nothing) to EXACT; comparable for the same subject only."""
    tolerance: tuple[tuple[str, float], ...] = ()
    """By kind (`relative`, `absolute`): how far a value may be off."""
    guards: tuple[str, ...] = ()
    """Conditions under which it is made at all, and what swallows its failure."""

    @property
    def shown(self) -> str:
        """For people."""
        return clipped(" ".join(part for part in (self.subject, self.relation, self.expected) if part))


@dataclass(frozen=True)
class Mark:
    """A mock, or a bound such as a timeout, in a test."""

    line: int
    text: str
    amount: float = 0
    """Of a bound."""


@dataclass(frozen=True)
class Unit:
    """A test, a function beside tests, or what a module does by itself (with no name)."""

    name: str
    line: int
    is_test: bool
    assertions: tuple[Assertion, ...] = ()
    mocks: tuple[Mark, ...] = ()
    timeouts: tuple[Mark, ...] = ()
    retries: tuple[Mark, ...] = ()


@dataclass
class Gathered:
    """A unit while it is read."""

    name: str
    line: int
    is_test: bool
    assertions: list[Assertion] = field(default_factory=list)
    mocks: list[Mark] = field(default_factory=list)
    timeouts: list[Mark] = field(default_factory=list)
    retries: list[Mark] = field(default_factory=list)

    def unit(self) -> Unit:
        """What was gathered."""
        marks = (tuple(self.assertions), tuple(self.mocks), tuple(self.timeouts), tuple(self.retries))
        return Unit(self.name, self.line, self.is_test, *marks)


class NotComparable(Exception):
    """A file can't be read as what its name says; the message says why."""


def unit_of(data: dict[str, Any]) -> Unit:
    """A unit out of JSON."""
    assertions = tuple(
        Assertion(
            **{
                **each,
                "tolerance": tuple((str(kind), float(far)) for kind, far in each["tolerance"]),
                "guards": tuple(each["guards"]),
            }
        )
        for each in data["assertions"]
    )
    marks = {kind: tuple(Mark(**each) for each in data[kind]) for kind in ("mocks", "timeouts", "retries")}
    return Unit(data["name"], data["line"], data["is_test"], assertions, **marks)


def clipped(text: str) -> str:
    """One line for people."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + "…"
