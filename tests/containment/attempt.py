"""What an attempt is: an attack that is first shown to work, and is then made where it must not."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.containment.ground import Ground


class Verdict(StrEnum):
    """What became of one attempt."""

    HELD = "held"
    ESCAPED = "escaped"
    NOT_APPLICABLE = "not_applicable"
    UNPROVEN = "unproven"
    """The control did not succeed, or the attack could not be carried out: nothing was shown, and that is a failure."""


class NotApplicable(Exception):
    """This machine has no way to show that the attack works; the message says why."""


class CouldNotBeMade(Exception):
    """The attack itself is broken: it stopped before it had tried everything."""


@dataclass(frozen=True)
class Result:
    """What was observed from outside."""

    success: str
    """What the attack achieved; empty if it achieved nothing."""
    said: str = ""
    """How the attack ended in its own words and those of whoever ran it; for people, never judged by."""


@dataclass(frozen=True)
class Outcome:
    """One attempt on one backend."""

    attempt: "Attempt"
    verdict: Verdict
    detail: str = ""
    seconds: float = 0


@dataclass(frozen=True, kw_only=True)
class Attempt(ABC):
    """One attack, as data."""

    name: str
    """Unique in the suite."""
    group: str
    success: str
    """What success would look like."""

    @abstractmethod
    async def control(self, ground: "Ground") -> Result:
        """Carry out the attack where nothing, or all but one guard, holds it. Raises NotApplicable."""

    @abstractmethod
    async def attack(self, ground: "Ground") -> Result:
        """Carry out the same attack against the backend."""

    @property
    def shown_by_the_backend(self) -> bool:
        """Whether the control is made in sandboxes of the backend under attack: then each has to show it anew."""
        return False

    @property
    @abstractmethod
    def controlled_by(self) -> str:
        """Where the control run is made."""
