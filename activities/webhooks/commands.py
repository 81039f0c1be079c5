"""Commands in comments: a line that begins with `/agent`, neither quoted nor in code. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

_COMMAND = re.compile(r"/agent(?:[ \t]+(.*))?", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LONGEST_BODY = 70_000
"""GitHub takes 65,536 characters."""


class Verb(StrEnum):
    """What is wanted."""

    TELL = "tell"
    """Words: a task to begin, or feedback to the one that there is."""
    AGAIN = "again"
    """The next attempt of a task that has ended."""
    CANCEL = "cancel"
    MERGE = "merge"


@dataclass(frozen=True)
class Command:
    """One command with its words, which may go on below its line."""

    verb: Verb
    words: str = ""


def command(body: str) -> Command | None:
    """The first command in a comment; None if there is none."""
    fence, lines = "", body[:_LONGEST_BODY].splitlines()
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif not fence and (told := _COMMAND.fullmatch(line.rstrip())):
            rest = "\n".join([told[1] or "", *lines[number + 1 :]]).strip()
            return _of(rest)
    return None


def _of(rest: str) -> Command:
    first, _, words = rest.partition(" ") if "\n" not in rest.split(" ", 1)[0] else rest.partition("\n")
    verb = first.strip().lower()
    if verb == Verb.AGAIN:
        return Command(Verb.AGAIN, words.strip())
    if verb in {Verb.CANCEL, Verb.MERGE} and not words.strip():
        return Command(Verb(verb))
    return Command(Verb.TELL, rest)
