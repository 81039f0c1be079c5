"""The App's home in Slack, for one person: what waits for them, what they asked for, what can still be taken back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from slack_sdk.models.blocks import Block, SectionBlock
from slack_sdk.models.blocks.basic_components import MarkdownTextObject
from slack_sdk.models.views import View

from activities.chat.slack.decision_blocks import revert_button
from activities.chat.slack.formatting import code, when
from activities.chat.slack.message import aside, header, said, said_in_lines

MOST_LISTED = 10
"""Of each list; the command line has all."""
MOST_MERGED = 5


@dataclass(frozen=True)
class HomeLine:
    """One task."""

    task: str
    repository: str
    goal: str
    stands: str
    """In a few words of ours."""
    started: datetime | None = None


@dataclass(frozen=True)
class RepositoryFigures:
    """What came of the tasks of one repository that are known."""

    repository: str
    open: int = 0
    waiting: int = 0
    merged: int = 0
    reverted: int = 0
    unmerged: int = 0
    """Ended without a merge."""
    trust: tuple[str, ...] = ()
    """Kinds of task that have earned more than the first phase, each such as `docs in phase 2`."""


@dataclass(frozen=True)
class Home:
    """All that is on it."""

    waiting: Sequence[HomeLine] = ()
    mine: Sequence[HomeLine] = ()
    merged: Sequence[HomeLine] = ()
    """Those that can be taken back."""
    figures: Sequence[RepositoryFigures] = ()
    of_tasks: int = 0
    """How many the figures are of."""


def home_view(home: Home) -> View:
    """As Slack shows it."""
    return View(type="home", blocks=list(_blocks(home)))


def stranger_view(user: str) -> View:
    """For somebody whom the directory does not name."""
    entry = f'slack = "{user}"'
    told = (
        f"No person is known here by your account {code(user)}: ask the platform's owner to write "
        f"{code(entry)} into your table below {code('[people]')} in {code('journeyman.toml')}."
    )
    return View(type="home", blocks=[header("Journeyman"), said(told)])


def _blocks(home: Home) -> Iterator[Block]:
    yield header("Waits for you")
    yield from _list(home.waiting, "Nothing waits for you.")
    yield header("Your tasks")
    yield from _list(home.mine, "You have no open task: `/agent` and what should be different begins one.")
    if home.merged:
        yield header("Recently merged")
        for line in home.merged[:MOST_MERGED]:
            text = MarkdownTextObject(text=_line(line), verbatim=True)
            yield SectionBlock(text=text, accessory=revert_button(line.task))
    if home.figures:
        yield header("The team's figures")
        yield from said_in_lines(_figures(one) for one in home.figures[:MOST_LISTED])
    yield aside(f"Of the newest {home.of_tasks} tasks · all of them: {code('journeyman tasks')}")


def _list(lines: Sequence[HomeLine], none: str) -> Iterator[Block]:
    if not lines:
        yield said(none)
        return
    more = len(lines) - MOST_LISTED
    told = [_line(line) for line in lines[:MOST_LISTED]]
    yield from said_in_lines([*told, f"and {more} more"] if more > 0 else told)


def _line(line: HomeLine) -> str:
    since = f" {when(line.started)}" if line.started is not None else ""
    return f"{code(line.task, 30)} *{line.stands}* {code(line.repository, 80)} {code(line.goal, 120)}{since}"


def _figures(one: RepositoryFigures) -> str:
    ended = one.merged + one.unmerged
    share = f", {100 * one.merged // ended} % of {ended} ended ones" if ended else ""
    counts = f"{one.open} open, {one.waiting} waiting, {one.merged} merged{share}, {one.reverted} taken back"
    trust = f"; {', '.join(one.trust)}" if one.trust else ""
    return f"{code(one.repository, 100)}: {counts}{trust}"
