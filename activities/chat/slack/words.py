"""What somebody means by words after `/agent` or `@agent`: a small grammar, which `help` tells. Pure.

    [in OWNER/NAME] [repo:R] [type:T] [agent:A] [base:B] [scope:PATTERN]… GOAL

Options come first, so that a goal may hold any words. Names with a colon, since Slack makes dashes of `--`.
"""

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum

_MARKED = re.compile(r"<((?:[@#!]|https?:|mailto:|tel:)[^<>|]{1,3000})(?:\|([^<>]{0,3000}))?>")
_OPTIONS = ("repo", "type", "agent", "base", "scope")
_OPTION = re.compile(rf"({'|'.join(_OPTIONS)}):(\S{{1,1000}})(?:\s+|$)")
_IN = re.compile(r"in\s+((?:github:|https?://)?[\w.-]+(?:/[\w.-]+)+)(?:\s+|$)", re.IGNORECASE)
_TASK = re.compile(r"[a-z2-7]{4,10}")
_LONGEST_ID = 10
_ALONE = ("new", "status", "mine", "cancel", "merge", "again", "halt", "help")
_LIKE = 0.8
"""How alike two words are when one is rather a slip, by difflib's measure."""
_END_OF_VERB = "!:,."
ELSEWHERE = {
    "approve": "press *Approve* below the task's message: the button says which commit is meant",
    "reject": "press *Reject* below the task's message",
    "revert": "press *Revert* below the task's message, or type `journeyman revert ID`",
    "retry": "another attempt is `@agent again` in the task's thread",
    "resume": "what was halted goes on by `journeyman resume`",
}
"""What people write for what is done otherwise, and how that is: as words for an agent it would cost an approval."""
_SAME = {"approved": "approve", "lgtm": "approve", "stop": "cancel"}
_DECISION = re.compile(
    rf"(?:please\s+)?({'|'.join(('merge', 'cancel', *_SAME, *ELSEWHERE))})(?:\s+(?:it|this|that|now|please))*\s*[.!]*",
    re.IGNORECASE,
)

HELP = "\n".join(
    (
        "*Hand work to an agent*",
        "`/agent GOAL` begins a task in this channel's repository. `@agent GOAL` does, too, and takes along what was "
        "said in the thread.",
        "`/agent in OWNER/NAME GOAL` names another repository. Before the goal, too: `type:docs` `agent:NAME` "
        "`base:BRANCH` `scope:PATTERN`.",
        "`/agent` or `/agent new` opens a form. A message's menu has *Hand to agent*.",
        "*In the thread of a task*",
        "`@agent WORDS` sends it back to its agent with these words. `@agent merge`, `@agent cancel`, `@agent again` "
        "do what they say.",
        "*Anywhere*",
        "`/agent status` and `/agent status ID` say where tasks stand, `/agent mine` lists yours, `/agent cancel ID` "
        "stops one.",
        "`/agent halt REASON` stops all agents' work at once; `journeyman resume` lets it go on.",
    )
)


class Verb(StrEnum):
    """What is wanted."""

    WORK = "work"
    """Words: a task to begin, or feedback to the one that there is."""
    FORM = "new"
    STATUS = "status"
    MINE = "mine"
    CANCEL = "cancel"
    MERGE = "merge"
    AGAIN = "again"
    HALT = "halt"
    HELP = "help"
    ELSEWHERE = "elsewhere"
    """What no words do; which of them it is, is the text."""
    UNSURE = "unsure"
    """Rather misspelt than meant; what it is like, is the text."""


@dataclass(frozen=True)
class Words:
    """What is wanted, with what was stated."""

    verb: Verb
    text: str = ""
    """The goal, or the reason."""
    task: str = ""
    """The beginning of a task's id, where one is named."""
    repository: str = ""
    task_type: str = ""
    agent: str = ""
    base: str = ""
    scope: tuple[str, ...] = ()


def words(text: str) -> Words:
    """What plain words mean."""
    text = text.strip()
    if not text:
        return Words(Verb.FORM)
    if decision := _DECISION.fullmatch(text):
        alone = _SAME.get(decision[1].lower(), decision[1].lower())
        return Words(Verb.ELSEWHERE, alone) if alone in ELSEWHERE else Words(Verb(alone))
    # Whatever stands between them, such as the end of a line: a halt that is taken for a goal begins work.
    first, *more = text.split(None, 1)
    verb, rest = first.lower().rstrip(_END_OF_VERB), "".join(more)
    if verb in {Verb.FORM, Verb.MINE, Verb.HELP} and not rest:
        return Words(Verb(verb))
    if _is_id(rest) and (alone := _SAME.get(verb, verb)) in {Verb.MERGE, Verb.CANCEL, *ELSEWHERE}:
        # A decision that names its task is no goal, either.
        return Words(Verb.ELSEWHERE, alone) if alone in ELSEWHERE else Words(Verb(alone), task=rest)
    if near := _misspelt(text, verb, rest):
        return Words(Verb.UNSURE, near)
    if verb in {Verb.STATUS, Verb.CANCEL} and (not rest or _TASK.fullmatch(rest)):
        return Words(Verb(verb), task=rest)
    if verb == Verb.HALT:
        return Words(Verb.HALT, rest)
    if verb == Verb.AGAIN:
        return _work(rest, Verb.AGAIN)
    return _work(text, Verb.WORK)


def _is_id(rest: str) -> bool:
    """Whether it is rather a task's id, or the beginning of one, than a word."""
    return _TASK.fullmatch(rest) is not None and (len(rest) == _LONGEST_ID or any(c.isdigit() for c in rest))


def _misspelt(text: str, first: str, rest: str) -> str:
    """What was rather meant by a word that stands alone, or before a colon; empty if it may be what it is."""
    alone = difflib.get_close_matches(first, _ALONE, 1, _LIKE) if not rest else []
    if alone and first != alone[0]:
        return alone[0]
    named = re.match(r"([a-z]{2,10}):\S", text)
    options = difflib.get_close_matches(named[1], _OPTIONS, 1, _LIKE) if named else []
    return f"{options[0]}:" if named and options and named[1] != options[0] else ""


def _work(text: str, verb: Verb) -> Words:
    stated: dict[str, str] = {}
    scope: list[str] = []
    while True:
        if found := _OPTION.match(text):
            name, value = found.groups()
            if name == "scope":
                scope.append(value)
            else:
                stated[name] = value
        elif "repo" not in stated and (found := _IN.match(text)):
            stated["repo"] = found[1]
        else:
            break
        text = text[found.end() :]
    return Words(
        verb,
        text.strip(),
        repository=stated.get("repo", ""),
        task_type=stated.get("type", ""),
        agent=stated.get("agent", ""),
        base=stated.get("base", ""),
        scope=tuple(scope),
    )


def without_mention(text: str, bot: str) -> str:
    """The words of a message to the App, as Slack has them, without its name at the first place where it stands."""
    mark = re.compile(rf"<@{re.escape(bot)}(?:\|[^<>]*)?>" if bot else r"^\s*<@[A-Z0-9]+(?:\|[^<>]*)?>")
    return mark.sub("", text, count=1)


def as_plain(text: str) -> str:
    """Slack's own marks as plain words: a mention calls nobody any more, and a link says where it leads."""
    unmarked = _MARKED.sub(_unmarked, text)
    # Slack itself escapes these three, and no others.
    return unmarked.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def shown(text: str) -> str:
    """Plain words as Slack shows them and does nothing else with them: nobody is called, nothing is a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unmarked(found: "re.Match[str]") -> str:
    what, label = found[1], found[2] or ""
    if what.startswith("!"):
        return f"@{(label or what[1:].partition('^')[0]).removeprefix('@')}"
    if what.startswith("@"):
        return f"@{label or what[1:]}"
    if what.startswith("#"):
        return f"#{label or what[1:]}"
    address = what.removeprefix("mailto:")
    return address if not label or label in address else f"{label} ({address})"
