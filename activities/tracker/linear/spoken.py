"""Commands in Linear: `/agent WORDS`, or the App's name first. Pure."""

import re
from collections.abc import Collection, Mapping

from activities.webhooks import commands
from activities.webhooks.commands import Command, command

_LINK = r"(?:\[@?{name}\]\([^)\s]{{0,300}}\)|@{name}|https://linear\.app/[\w-]+/profiles/{name})"
_AFTER = r"(?![\w-])[ \t]*[:,]?\s*(.*)"
_APPROVE = re.compile(r"approve(?:[ \t]+`?([0-9a-f]{7,64})`?)?[ \t.!]*", re.IGNORECASE)
_NEARLY_APPROVE = re.compile(r"approve[ \t]+`?(?:[0-9a-f]{1,6}`?[ \t.!]*$|[0-9a-f]{7,64}(?![\w-]))", re.IGNORECASE)
"""What names a commit too short, or says more beside it: a condition, maybe."""
_COMMANDED = re.compile(r"\A/agent(?=\s|\Z)\s*")
_LONGEST_NAME = 100
ELSEWHERE: Mapping[str, str] = {
    **{word: how for word, how in commands.ELSEWHERE.items() if word != "approve"},
    "reject": "`/agent WORDS` has it changed, `/agent cancel` ends it",
    "request-changes": "write what should change: `/agent WORDS`",
    "withdraw": "an approval is withdrawn by `journeyman withdraw TASK`",
    "retry": "another attempt is `/agent again`",
    "status": "the comment about the task tells where it stands",
    "help": "`/agent WORDS` has a task begun or its agent told; the comment about the task names what else counts now",
}
"""What people write for what is done otherwise in Linear, and how that is."""


def spoken(body: str, names: Collection[str]) -> Command | None:
    """The command in a comment; None if it speaks to nobody here. `names`: of the App, as people mention it."""
    text = body.lstrip()
    # The longest first: one name may begin another.
    for name in sorted(names, key=len, reverse=True):
        if not 0 < len(name) <= _LONGEST_NAME:
            continue
        mention = _LINK.format(name=re.escape(name))
        if found := re.match(mention + _AFTER, text, re.IGNORECASE | re.DOTALL):
            # Both at once is one command: the second word is no word for an agent.
            return command(f"/agent {_COMMANDED.sub('', found[1].strip())}".rstrip())
    return command(body)


def may_be_spoken(body: str) -> bool:
    """The same where the App's name is not known: False only if it certainly is none."""
    return body.lstrip().startswith(("@", "[", "https://linear.app/")) or command(body) is not None


def approval(words: str) -> str | None:
    """The commit that is approved by these words, empty if they name none, or more; None if they approve nothing.

    The first line decides, as of all commands: below it may be a mail's signature.
    """
    first = words.strip().partition("\n")[0].rstrip()
    if found := _APPROVE.fullmatch(first):
        return (found[1] or "").lower()
    return "" if _NEARLY_APPROVE.match(first) else None
