"""Commands in comments: a line that begins with `/agent`, neither quoted nor in code, nor hidden. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from activities.webhooks.hidden import without_hidden

_COMMAND = re.compile(r"/agent(?:[ \t]+(.*))?", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
"""What follows backticks has none of them: else it is code within a line (CommonMark 0.31, fenced code blocks)."""
_LINE_END = re.compile(r"\r\n|\n|\r")
"""As Markdown has them, and no others: what GitHub quotes as one line must not be two here, one of them a command."""
_LONGEST_BODY = 70_000
"""GitHub takes 65,536 characters."""
_BLOCK = re.compile(r" {0,3}<(pre|script|style|textarea)(?:[\s>]|$)", re.IGNORECASE)
"""Begins what is code, too, until its end (HTML blocks of kind 1)."""
_END_OF_VERB = " \t.!"
ELSEWHERE = {
    "approve": "approve the pull request by a review on GitHub",
    "reject": "close the pull request, or write `/agent cancel`",
    "request-changes": "write what should change: `/agent WORDS`, or a review that requests changes",
    "withdraw": "dismiss the review that approved it",
    "stop": "a task is stopped by `/agent cancel`",
    "retry": "another attempt is `/agent again`, below the issue",
    "status": "`journeyman show TASK` tells where it stands",
    "help": "`/agent WORDS` tells the agent; the other commands are `/agent again`, `cancel`, `merge` and `revert`",
}
"""What people write for what is done otherwise, and how that is: as words for an agent it would cost an approval."""


class Verb(StrEnum):
    """What is wanted."""

    TELL = "tell"
    """Words: a task to begin, or feedback to the one that there is."""
    AGAIN = "again"
    """The next attempt of a task that has ended."""
    CANCEL = "cancel"
    MERGE = "merge"
    REVERT = "revert"
    """Take its merge back; words below say why."""
    ELSEWHERE = "elsewhere"
    """What no comment can do; its one word is in ELSEWHERE."""


@dataclass(frozen=True)
class Command:
    """One command with its words, which may go on below its line."""

    verb: Verb
    words: str = ""


def command(body: str) -> Command | None:
    """The first command in a comment; None if there is none."""
    lines = _LINE_END.split(body[:_LONGEST_BODY])
    for number, line in _of_the_writer(lines):
        if told := _COMMAND.fullmatch(line.rstrip()):
            return _of((told[1] or "").strip(), without_hidden("\n".join(lines[number + 1 :])).strip())
    return None


def _of_the_writer(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The lines that are neither in code nor hidden on GitHub's page, each with its place."""
    fence, block, is_hidden = "", "", False
    for number, line in enumerate(lines):
        if fence:
            found = _FENCE.match(line)
            if found and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        seen, is_hidden = _seen(line, is_hidden)
        if not block and (begun := _BLOCK.match(seen)):
            block = f"</{begun[1].lower()}>"
        if block:
            block = "" if block in seen.lower() else block
        elif found := _FENCE.match(seen):
            fence = found[1]
        else:
            yield number, seen


def _seen(line: str, is_hidden: bool) -> tuple[str, bool]:
    """A line without HTML comments, and whether one goes on below it. `is_hidden`: whether it begins in one."""
    parts, at = [], 0
    while at < len(line):
        mark = "-->" if is_hidden else "<!--"
        end = line.find(mark, at)
        if not is_hidden:
            parts.append(line[at : end if end >= 0 else None])
        if end < 0:
            break
        is_hidden, at = not is_hidden, end + len(mark)
    return "".join(parts), is_hidden


def _of(first: str, below: str) -> Command:
    """`first`: what follows on the command's own line, and decides. Below may be more words, or a mail's signature."""
    if not first:
        first, _, below = below.partition("\n")
    alone = first.rstrip(_END_OF_VERB).lower()
    if alone in {Verb.CANCEL, Verb.MERGE}:
        return Command(Verb(alone))
    if alone == Verb.REVERT:
        return Command(Verb.REVERT, below)
    if alone in ELSEWHERE:
        return Command(Verb.ELSEWHERE, alone)
    verb, _, words = first.partition(" ")
    if verb.rstrip(_END_OF_VERB).lower() == Verb.AGAIN:
        return Command(Verb.AGAIN, f"{words}\n{below}".strip())
    return Command(Verb.TELL, f"{first}\n{below}".strip())
