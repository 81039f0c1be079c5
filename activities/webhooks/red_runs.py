"""Since when a check of base is red. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True)
class Seen:
    """One commit of base, and whether its check was good when it was told last; None where it was not told."""

    commit: str
    good: bool | None


def red_run(history: Sequence[Seen], commit: str) -> list[str]:
    """The red commits around one that is red, up to the nearest good ones, in order: the first is the first red one.

    `history`: of base, the oldest first, with the commit itself.
    """
    place = next(number for number, seen in enumerate(history) if seen.commit == commit)
    before = list(takewhile(lambda seen: seen.good is not True, reversed(history[:place])))
    after = takewhile(lambda seen: seen.good is not True, history[place + 1 :])
    return [
        *(seen.commit for seen in reversed(before) if seen.good is False),
        commit,
        *(seen.commit for seen in after if seen.good is False),
    ]
