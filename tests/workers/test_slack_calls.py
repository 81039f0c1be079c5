"""People hear of a task in Slack when it concerns them: once, and by name."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.activities.chat.slack.seen_tasks import decision, status
from tests.support.slack.server import Slack, slack_server
from tests.workers.slack_thread import MONDAY, Thread
from workers.gateway.conversations import PlaceAway
from workflows.models.decision import Action
from workflows.models.observation import Observation
from workflows.models.person import Person
from workflows.models.status import POLICY, Outcome, Stage, StageSpan, TaskStatus
from workflows.models.watch import WatchOutcome, WatchResult

TASK = status().task
ALICE, GRACE, LINUS = "<@U0ALICE>", "<@U0GRACE>", "<@U0LINUS>"


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        yield server


@pytest.fixture
def thread(slack: Slack, tmp_path: Path) -> Thread:
    return Thread(slack, tmp_path, notify=True)


def person(name: str) -> Person:
    return Person(id=name, account=f"os:{name}")


def at(stage: Stage, minutes: int = 0, **more: Any) -> TaskStatus:
    spans = (StageSpan(stage=stage, started=MONDAY + timedelta(minutes=minutes)),)
    return status(stage, **{"task": TASK, "spans": spans, "message": "", **more})


async def test_who_may_decide_is_named_when_a_review_begins_and_once_only(thread: Thread) -> None:
    look = await thread.show(at(Stage.RUN))
    assert len(thread.shown) == 1
    look = await thread.show(at(Stage.REVIEW, 5), look.notes)
    _, call = thread.shown
    assert GRACE in call.text and LINUS in call.text and ALICE not in call.text, "who asked may not approve"
    assert "Ready for review: `" in call.text and TASK.id in call.text
    # By what is kept, without it, and while one of two has approved.
    for notes in (look.notes, {}):
        await thread.show(at(Stage.REVIEW, 5, approved_by=("grace",)), notes)
    assert len(thread.shown) == 2
    await thread.show(at(Stage.RUN, 9), look.notes)
    await thread.show(at(Stage.REVIEW, 20), look.notes)
    assert len(thread.shown) == 3, "another round is another review"


async def test_a_call_whose_answer_was_lost_is_not_written_again(thread: Thread) -> None:
    look = await thread.show(at(Stage.RUN))
    thread.slack.fail("chat.postMessage", lose_answer=True)
    with pytest.raises(PlaceAway) as away:
        await thread.show(at(Stage.REVIEW, 5), look.notes)
    await thread.show(at(Stage.REVIEW, 5), away.value.notes)
    assert len(thread.shown) == 2


async def test_what_policy_approved_calls_for_somebody_to_merge_it_and_what_a_person_approved_does_not(
    thread: Thread,
) -> None:
    look = await thread.show(at(Stage.APPROVED, 1, approved_by=("grace",)))
    assert len(thread.shown) == 1
    await thread.show(at(Stage.APPROVED, 2, approved_by=(POLICY,)), look.notes)
    assert len(thread.shown) == 2 and "Approved, to be merged" in thread.shown[-1].text


@pytest.mark.parametrize(
    ("outcome", "by", "is_told"),
    [
        (Outcome.AGENT_FAILED, "", True),
        (Outcome.UNANSWERED, "", True),
        (Outcome.MERGED, "", True),
        (Outcome.MERGED, "grace", True),
        (Outcome.REJECTED, "grace", True),
        (Outcome.CANCELLED, "alice", False),
        (Outcome.FAILED, "alice", True),
    ],
)
async def test_who_asked_hears_of_the_end_unless_they_brought_it_about(
    thread: Thread, outcome: Outcome, by: str, is_told: bool
) -> None:
    ends = {Outcome.REJECTED: Action.REJECT, Outcome.CANCELLED: Action.CANCEL}
    decided = (decision(ends.get(outcome, Action.MERGE), person=person(by)),) if by else ()
    await thread.show(at(Stage.ENDED, outcome=outcome, waits_for="", decisions=decided))
    told = [one.text for one in thread.shown[1:]]
    assert len(told) == is_told
    assert all(ALICE in text and TASK.id in text for text in told)


async def test_who_asked_and_who_had_it_merged_hear_that_base_turned_red(thread: Thread) -> None:
    merged = at(
        Stage.ENDED, outcome=Outcome.MERGED, waits_for="", decisions=(decision(Action.MERGE, person=person("grace")),)
    )
    look = await thread.show(merged)
    red = Observation(
        repository="r", commit="a" * 40, name="ci", good=False, person=person("grace"), observed_at=MONDAY
    )
    watch = WatchResult(outcome=WatchOutcome.RED, red=red)
    for notes in (look.notes, {}):
        await thread.show(merged, notes, watch=watch)
    over, red_told = thread.shown[1:]
    assert ALICE in red_told.text and GRACE in red_told.text and "turned red" in red_told.text
    assert "Merged" in over.text


async def test_whoever_wants_no_such_messages_gets_none(slack: Slack, tmp_path: Path) -> None:
    thread = Thread(slack, tmp_path, notify=False)
    await thread.show(at(Stage.REVIEW))
    assert len(thread.shown) == 1
