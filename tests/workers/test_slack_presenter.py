"""A task in a thread of Slack: one message that is kept up to date, nothing twice, whatever Slack does meanwhile."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.chat.slack.own_messages import EVENT
from activities.tracing.task_spans import RevertRecord
from tests.activities.chat.slack.seen_tasks import decision, status
from tests.support.slack.server import Slack, slack_server
from tests.workers.slack_thread import CHANNEL, MONDAY, Thread, button_ids, read
from tests.workflows.scripted import a_patch, sha
from workers.gateway.conversations import PlaceAway
from workers.gateway.messages import NewHalt
from workflows.models.decision import Action
from workflows.models.halt import HaltScope, Reach
from workflows.models.pull_request import RevertOutcome, RevertResult
from workflows.models.question import GOAL, WORK, Choice, Question, QuestionKind
from workflows.models.status import Outcome, Stage, StageSpan, TaskStatus


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        yield server


@pytest.fixture
def thread(slack: Slack, tmp_path: Path) -> Thread:
    return Thread(slack, tmp_path)


def _asking(at: TaskStatus, kind: QuestionKind = QuestionKind.BUDGET, id: str = "q1") -> TaskStatus:
    question = Question(
        id=id,
        kind=kind,
        text="1.00 USD are used up. Go on?",
        choices=GOAL if kind is QuestionKind.SPECIFICATION else WORK,
        suggested_micro_usd=500_000,
        asked_at=MONDAY,
        expires_at=MONDAY + timedelta(hours=4),
    )
    return at.model_copy(update={"stage": Stage.QUESTION, "question": question, "waits_for": "a person to answer"})


def _at(seen: TaskStatus, stage: Stage, **more: object) -> TaskStatus:
    spans = (*seen.spans, StageSpan(stage=stage, started=MONDAY))
    return seen.model_copy(update={"stage": stage, "spans": spans, **more})


async def test_one_message_goes_through_all_stages_and_nothing_else_is_posted(thread: Thread) -> None:
    task, notes = status(Stage.PREPARE), dict[str, str]()
    for stage in (Stage.PREPARE, Stage.RUN, Stage.EVALUATE, Stage.REVIEW, Stage.APPROVED, Stage.MERGE):
        look = await thread.show(_at(task, stage), notes)
        notes = look.notes
        assert not look.is_over and not look.why_not
    (message,) = thread.shown
    assert "Merging" in read(message) and message.edits == 5


async def test_what_has_not_changed_is_not_sent_again(thread: Thread) -> None:
    task = status()
    look = await thread.show(task)
    calls = len(thread.slack.calls)
    again = await thread.show(task, look.notes)
    assert again.notes == look.notes and len(thread.slack.calls) == calls


async def test_notes_that_are_lost_cost_a_look_and_no_second_message(thread: Thread) -> None:
    asking = _asking(status())
    await thread.show(asking)
    assert len(thread.shown) == 2
    for notes in ({}, {"task": "broken"}, {"question-q1": "{}"}):
        await thread.show(asking, notes)
        assert len(thread.shown) == 2


@pytest.mark.parametrize("method", ["chat.postMessage", "conversations.replies", "auth.test"])
async def test_an_answer_that_is_lost_posts_nothing_twice(thread: Thread, method: str) -> None:
    asking = _asking(status())
    thread.slack.fail(method, lose_answer=True)
    with pytest.raises(PlaceAway) as away:
        await thread.show(asking)
    look = await thread.show(asking, away.value.notes)
    assert len(thread.shown) == 2 and not look.why_not


async def test_a_question_whose_post_was_not_answered_and_that_was_answered_since_is_closed(thread: Thread) -> None:
    task = status()
    first = await thread.show(task)
    thread.slack.fail("chat.postMessage", lose_answer=True)
    with pytest.raises(PlaceAway) as away:
        await thread.show(_asking(task), first.notes)
    # The process may have died before it could say what it knew.
    for notes in (away.value.notes or {}, first.notes):
        answered = _at(task, Stage.RUN, decisions=(decision(Action.ANSWER, question="q1", choice=Choice.CONTINUE),))
        await thread.show(answered, notes)
        _, question = thread.shown
        assert "answered by `grace`" in read(question) and not button_ids(question)


async def test_a_limit_lasts_as_long_as_slack_says_and_what_was_done_is_kept(thread: Thread) -> None:
    thread.slack.fail("chat.postMessage", retry_after=7)
    task = status()
    with pytest.raises(PlaceAway) as away:
        await thread.show(task)
    assert away.value.again_in == timedelta(seconds=7)
    for fault in ({"status": 503}, {"error": "token_revoked"}, {"error": "internal_error"}):
        thread.slack.fail("chat.postMessage", **fault)
        with pytest.raises(PlaceAway):
            await thread.show(task, away.value.notes)
    assert not thread.shown
    await thread.show(task, away.value.notes)
    assert len(thread.shown) == 1


async def test_a_message_that_somebody_deleted_is_there_again_at_the_next_change(thread: Thread) -> None:
    task = status()
    look = await thread.show(task)
    thread.slack.channels[CHANNEL].messages.remove(thread.shown[0])
    await thread.show(_at(task, Stage.APPROVED), look.notes)
    (message,) = thread.shown
    assert "Approved" in read(message)


async def test_a_message_that_can_not_be_changed_any_more_is_followed_by_another(thread: Thread) -> None:
    task = status()
    look = await thread.show(task)
    thread.slack.fail("chat.update", "edit_window_closed")
    look = await thread.show(_at(task, Stage.APPROVED), look.notes)
    assert len(thread.shown) == 2
    # By notes or by metadata, it is the newer one that goes on.
    for notes in (look.notes, {}):
        await thread.show(_at(task, Stage.MERGE), notes)
    assert len(thread.shown) == 2 and "Merging" in read(thread.shown[1])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"has_bot": False}, "invite the App"),
        ({"is_archived": True}, "unarchive"),
        ({"is_private": True, "has_bot": False}, "invite the App"),
    ],
)
async def test_a_channel_that_takes_no_message_says_what_to_do_and_is_tried_again(
    thread: Thread, change: dict[str, bool], told: str
) -> None:
    channel = thread.slack.channels[CHANNEL]
    for name, value in change.items():
        setattr(channel, name, value)
    look = await thread.show(status())
    assert told in look.why_not and look.look_at == thread.now + timedelta(hours=1) and not look.is_over
    for name, value in change.items():
        setattr(channel, name, not value)
    look = await thread.show(status(), look.notes)
    assert not look.why_not and len(thread.shown) == 1


async def test_a_task_that_has_ended_where_it_can_not_be_shown_is_given_up_after_a_day(thread: Thread) -> None:
    thread.slack.channels[CHANNEL].is_archived = True
    ended = status(Stage.ENDED, outcome=Outcome.REJECTED, spans=(StageSpan(stage=Stage.ENDED, started=MONDAY),))
    assert not (await thread.show(ended)).is_over
    thread.later(hours=25)
    look = await thread.show(ended)
    assert look.is_over and look.why_not


async def test_a_task_in_somebodys_own_messages_is_shown_there_once(thread: Thread) -> None:
    direct = thread.slack.direct("U0ALICE")
    asked = thread.slack.write(direct.id, "U0AGENT", "alice asks an agent", bot_id="B0AGENT")
    thread.place = thread.place.model_copy(update={"key": f"slack:T0ACME:{direct.id}:{asked.ts}"})
    task = status()
    for _ in range(2):
        look = await thread.show(task)
        assert not look.why_not
    assert len(direct.messages) == 2
    thread.slack.scopes = tuple(scope for scope in thread.slack.scopes if scope != "im:history")
    assert "give the App the scopes" in (await thread.show(task)).why_not


async def test_another_bots_message_is_never_taken_for_ours(thread: Thread) -> None:
    task = status()
    payload = {"event_type": EVENT, "event_payload": {"task": task.task.id, "name": "task"}}
    theirs = thread.slack.write(
        CHANNEL, "U0EVIL", "theirs", thread_ts=thread.asked.ts, metadata=payload, bot_id="B0EVIL"
    )
    await thread.show(task)
    assert theirs.text == "theirs" and len(thread.shown) == 2


async def test_what_slack_can_not_show_is_said_in_words(thread: Thread) -> None:
    thread.slack.fail("chat.postMessage", "invalid_blocks")
    look = await thread.show(status())
    (message,) = thread.shown
    assert not message.blocks and "Ready for review" in message.text and not look.why_not


async def test_a_task_that_can_not_be_rendered_holds_nothing_up(thread: Thread) -> None:
    broken = status(patch=a_patch("head").model_copy(update={"head": "no commit at all"}))
    look = await thread.show(broken)
    (message,) = thread.shown
    assert "journeyman show" in message.text and not look.why_not
    await thread.show(_at(status(task=broken.task), Stage.APPROVED), look.notes)
    assert "Approved" in read(message) and button_ids(message)


async def test_a_question_is_a_message_of_its_own_until_it_is_answered(thread: Thread) -> None:
    asking = _asking(status())
    look = await thread.show(asking)
    _, question = thread.shown
    assert button_ids(question) == ["answer:continue", "answer:propose", "answer:discard"]
    assert "Continue with 0.50 USD more" in read(question) and "Waits until <!date^" in read(question)
    said = decision(Action.ANSWER, question="q1", choice=Choice.CONTINUE, more_micro_usd=500_000)
    look = await thread.show(_at(asking, Stage.RUN, question=None, decisions=(said,)), look.notes)
    assert "answered by `grace`" in read(question) and "with 0.50 USD more" in read(question)
    assert not button_ids(question)
    another = _asking(asking.model_copy(update={"decisions": (said,)}), QuestionKind.SPECIFICATION, "q2")
    await thread.show(another, look.notes)
    assert len(thread.shown) == 3 and "Reply in this thread" in read(thread.shown[2])


async def test_a_question_that_nobody_answered_says_so_even_if_nothing_is_known_of_it(thread: Thread) -> None:
    asking = _asking(status())
    await thread.show(asking)
    look = await thread.show(_at(asking, Stage.ENDED, question=None, outcome=Outcome.UNANSWERED), {})
    _, question = thread.shown
    assert look.is_over and "Not answered in time" in read(question) and "1.00 USD" in read(question)
    assert not button_ids(question)


async def test_a_merge_is_shown_until_it_is_taken_back_and_by_whom(thread: Thread) -> None:
    merged = _at(status(), Stage.ENDED, outcome=Outcome.MERGED, merge_commit=sha("merge"))
    look = await thread.show(merged)
    assert not look.is_over and look.look_at == MONDAY + timedelta(days=14)
    assert button_ids(thread.shown[0]) == ["revert"]
    revert = RevertResult(outcome=RevertOutcome.REVERTED, commit=sha("revert"), seconds=2)
    record = RevertRecord(result=revert, decision=decision(Action.REVERT))
    await thread.chains.append(merged.task.id, "revert-1", "revert", record.model_dump(mode="json"))
    look = await thread.show(merged, look.notes, reverts=(revert,))
    assert look.is_over and "*Taken back* by `grace`" in read(thread.shown[0]) and not button_ids(thread.shown[0])


async def test_two_weeks_after_a_merge_the_conversation_is_over_and_the_command_is_named(thread: Thread) -> None:
    merged = _at(status(), Stage.ENDED, outcome=Outcome.MERGED, merge_commit=sha("merge"))
    look = await thread.show(merged)
    thread.later(days=14)
    look = await thread.show(merged, look.notes)
    assert look.is_over and look.look_at is None
    assert not button_ids(thread.shown[0]) and "journeyman revert" in read(thread.shown[0])


async def test_a_task_that_is_halted_says_so_until_it_goes_on(thread: Thread) -> None:
    task = status()
    halt = NewHalt(id="a" * 16, scope=HaltScope(reach=Reach.ALL), reason="leak")
    await thread.halting.halt(halt, decision(Action.APPROVE).decision.person)
    look = await thread.show(task)
    assert "leak" in read(thread.shown[0]) and look.look_at == thread.now + timedelta(minutes=5)
    await thread.halting.resume(halt.model_copy(update={"id": "b" * 16}), decision(Action.APPROVE).decision.person)
    look = await thread.show(task, look.notes)
    assert "leak" not in read(thread.shown[0]) and look.look_at is None


async def test_a_file_that_is_broken_says_so_and_the_thread_waits_until_it_is_mended(thread: Thread) -> None:
    file = thread.owners.platform_file
    written = file.read_text()
    file.write_text(f"{written}\nnonsense = 1\n")
    task = status()
    with pytest.raises(PlaceAway, match="nonsense"):
        await thread.show(task)
    file.write_text(written)
    await thread.show(task)
    assert len(thread.shown) == 1


async def test_a_record_that_can_not_be_read_holds_up_no_other_place(thread: Thread) -> None:
    merged = _at(status(), Stage.ENDED, outcome=Outcome.MERGED, merge_commit=sha("merge"))
    await thread.chains.append(merged.task.id, "revert-1", "revert", {"result": "nonsense"})
    revert = RevertResult(outcome=RevertOutcome.REVERTED, commit=sha("revert"))
    with pytest.raises(PlaceAway, match="the gateway's log"):
        await thread.show(merged, reverts=(revert,))


async def test_a_place_that_is_no_thread_says_so(thread: Thread) -> None:
    thread.place = thread.place.model_copy(update={"key": "slack:T0ACME"})
    assert "no thread" in (await thread.show(status())).why_not
