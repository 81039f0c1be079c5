"""Which repository somebody means by a few letters: of those that `[slack]` lists, and no other. Pure."""

import difflib
from collections.abc import Sequence

from activities.policy.slack_table import SlackTable
from workflows.models.task import GITHUB_SHORT

_MOST_FOUND = 100
"""Slack shows no more options."""
_ALIKE = 0.6


def listed(table: SlackTable) -> tuple[str, ...]:
    """All that can be chosen, in the order in which the platform's owner wrote them."""
    return tuple(dict.fromkeys((*table.repositories, *table.channels.values())))


def short(repository: str) -> str:
    """What people call it: `acme/shop`, or the name of its folder."""
    name = repository.removeprefix(GITHUB_SHORT).rstrip("/").removesuffix(".git")
    if "://" in name:
        return "/".join(name.split("/")[-2:])
    return name.rsplit("/", 1)[-1] if name.startswith(("/", "~")) else name


def meant(asked: str, known: Sequence[str]) -> str:
    """The one that is named, in full or by its short name; empty if none is, or several could be."""
    wanted = short(asked).lower()
    for fits in (
        lambda one: one.lower() == asked.lower(),
        lambda one: short(one).lower() == wanted,
        lambda one: short(one).lower().rsplit("/", 1)[-1] == wanted,
    ):
        found = [one for one in known if fits(one)]
        if found:
            return found[0] if len(found) == 1 else ""
    return ""


def like(typed: str, known: Sequence[str]) -> list[str]:
    """Those that fit what was typed so far, the best first; a letter too many or too few does no harm."""
    wanted = short(typed.strip()).lower()
    if not wanted:
        return list(known[:_MOST_FOUND])
    ranked = sorted(((_far(wanted, one), number) for number, one in enumerate(known)), key=lambda each: each)
    return [known[number] for far, number in ranked if far <= 1 - _ALIKE][:_MOST_FOUND]


def _far(wanted: str, repository: str) -> float:
    """0 is what begins so, 1 has nothing in common."""
    name = short(repository).lower()
    last = name.rsplit("/", 1)[-1]
    if name.startswith(wanted) or last.startswith(wanted):
        return 0
    if wanted in name:
        return 0.1
    # What is typed may be the beginning of a longer name.
    tried = {name, last, name[: len(wanted) + 1], last[: len(wanted) + 1]}
    return 1 - max(difflib.SequenceMatcher(None, wanted, one).ratio() for one in tried)
