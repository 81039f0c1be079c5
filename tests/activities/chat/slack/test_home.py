"""The App's home in Slack: all of it is taken by Slack, and nobody's words act in it."""

import json
import re

from activities.chat.slack.button import Button
from activities.chat.slack.home import Home, HomeLine, RepositoryFigures, home_view, stranger_view
from activities.chat.slack.message import Message
from tests.activities.chat.slack.seen_tasks import EVIL, NOW, says_nothing_but_itself, taken_by_slack
from workers.gateway.messages import TaskLine
from workers.gateway.slack_home import figures
from workflows.models.status import Outcome, Stage


def _home(words: str, count: int) -> Home:
    lines = [HomeLine("abcdefghij", words, words, "waits for a person", NOW) for _ in range(count)]
    return Home(lines, lines, lines, [RepositoryFigures(words, trust=("docs in phase 2",) * 6)] * count, 200)


def test_the_longest_home_is_taken_by_slack_and_nobodys_words_act_in_it() -> None:
    for words in ("x" * 5000, "<" * 5000, EVIL):
        view = home_view(_home(words, 200)).to_dict()
        message = Message("home", tuple(home_view(_home(words, 200)).blocks or ()))
        taken_by_slack(message)
        if words == EVIL:
            says_nothing_but_itself(message)
        assert view["type"] == "home"


def test_a_merge_can_be_taken_back_from_there() -> None:
    view = home_view(Home(merged=[HomeLine("abcdefghij", "shop", "mend add()", "merged")])).to_dict()
    (button,) = [block["accessory"] for block in view["blocks"] if "accessory" in block]
    assert button["action_id"] == "revert" and Button.parse(button["value"]).task == "abcdefghij"
    assert "confirm" in button


def test_somebody_unknown_is_told_what_to_ask_for_and_nothing_of_any_task() -> None:
    told = json.dumps(stranger_view("U0STRANGER").to_dict())
    assert "U0STRANGER" in told and "[people]" in told and not re.search("task|merged", told)


def test_the_figures_are_of_each_repository() -> None:
    def line(repository: str, stage: Stage, outcome: Outcome | None = None, *, reverted: bool = False) -> TaskLine:
        return TaskLine(task_id="t", repository=repository, stage=stage, outcome=outcome, reverted=reverted)

    found = figures(
        [
            line("shop", Stage.REVIEW),
            line("shop", Stage.RUN),
            line("shop", Stage.ENDED, Outcome.MERGED, reverted=True),
            line("shop", Stage.ENDED, Outcome.REJECTED),
            line("docs", Stage.ENDED, Outcome.MERGED),
        ]
    )
    assert found == [
        RepositoryFigures("shop", open=2, waiting=1, merged=1, reverted=1, unmerged=1),
        RepositoryFigures("docs", merged=1),
    ]
