"""Reminders in Slack: who may decide is told once, then the team, and nobody outside of business hours."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.chat.slack.own_messages import EVENT
from activities.policy.documents import PlatformPolicy, SecurityPolicy
from tests.activities.chat.slack.seen_tasks import decision, status
from tests.support.slack.server import Slack, slack_server
from tests.workers.slack_thread import CHANNEL, MONDAY, Thread, read
from workers.gateway.conversations import Look, PlaceAway
from workers.gateway.slack_reminders import awaited
from workflows.models.decision import Action
from workflows.models.status import Stage, StageSpan, TaskStatus

_TEAMS = "C0PAGER"
_TABLE = f"""[slack.reminders]
remind_hours = 4
escalate_hours = 24
escalation_channel = "{_TEAMS}"
zone = "Europe/Vienna"
begin = "09:00"
end = "17:00"
"""


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        server.channel(_TEAMS)
        yield server


@pytest.fixture
def thread(slack: Slack, tmp_path: Path) -> Thread:
    return Thread(slack, tmp_path, _TABLE)


def _waits(stage: Stage = Stage.REVIEW, spans: int = 1) -> TaskStatus:
    return status(stage, spans=tuple(StageSpan(stage=stage, started=MONDAY) for _ in range(spans)), message="")


def _escalations(thread: Thread) -> int:
    return len(thread.slack.channels[_TEAMS].messages)


async def _show(thread: Thread, task: TaskStatus, look: Look | None = None) -> Look:
    return await thread.show(task, look.notes if look is not None else {})


async def test_who_may_decide_is_named_once_when_it_has_waited_long_enough(thread: Thread) -> None:
    task = _waits()
    look = await _show(thread, task)
    assert look.look_at == MONDAY + timedelta(hours=4) and len(thread.shown) == 1
    thread.now = look.look_at
    look = await _show(thread, task, look)
    _, reminder = thread.shown
    assert "<@U0GRACE>" in reminder.text and "<@U0LINUS>" in reminder.text
    assert "<@U0ALICE>" not in reminder.text, "who asked may not approve"
    assert look.look_at == MONDAY + timedelta(hours=24)
    # Not again: by notes, without them, and when nothing but time has passed.
    for notes in (look, None):
        thread.later(minutes=10)
        await _show(thread, task, notes)
    assert len(thread.shown) == 2


async def test_what_falls_due_in_the_evening_waits_for_the_morning(thread: Thread) -> None:
    at_three = datetime(2026, 11, 27, 14, 0, tzinfo=UTC)
    task = status(Stage.REVIEW, spans=(StageSpan(stage=Stage.REVIEW, started=at_three),))
    thread.now = at_three
    look = await _show(thread, task)
    # On Friday at seven in the evening; Monday at nine is eight by UTC.
    assert look.look_at == datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
    thread.now = at_three + timedelta(hours=5)
    look = await _show(thread, task, look)
    assert len(thread.shown) == 1 and look.look_at == datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
    thread.now = look.look_at
    await _show(thread, task, look)
    assert len(thread.shown) == 2


async def test_a_gateway_that_was_away_at_the_time_reminds_nobody_at_night(thread: Thread) -> None:
    task = _waits()
    thread.now = MONDAY + timedelta(hours=10)
    look = await _show(thread, task)
    assert len(thread.shown) == 1 and look.look_at == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


async def test_another_bots_message_keeps_nobody_from_being_reminded(thread: Thread) -> None:
    task = _waits()
    wait = int(MONDAY.timestamp())
    for name in (f"reminder-{wait}", f"escalation-{wait}", "task"):
        payload = {"event_type": EVENT, "event_payload": {"task": task.task.id, "name": name}}
        for channel, below in ((CHANNEL, thread.asked.ts), (_TEAMS, "")):
            thread.slack.write(channel, "U0EVIL", "", thread_ts=below, metadata=payload, bot_id="B0EVIL")
    thread.later(hours=24)
    await _show(thread, task)
    ours = [one for one in thread.shown if one.bot_id != "B0EVIL"]
    assert len(ours) == 2 and _escalations(thread) == 4


async def test_the_owning_teams_channel_hears_of_it_once_and_where_it_is(thread: Thread) -> None:
    task = _waits()
    thread.later(hours=24)
    look = await _show(thread, task)
    (escalation,) = thread.slack.channels[_TEAMS].messages
    assert "its thread" in read(escalation) and task.task.id in escalation.text and look.look_at is None
    for notes in (look, None):
        await _show(thread, task, notes)
    assert _escalations(thread) == 1 and len(thread.shown) == 2


async def test_an_escalation_whose_answer_was_lost_is_not_posted_again(thread: Thread) -> None:
    task = _waits()
    look = await _show(thread, task)
    thread.later(hours=24)
    # The reminder comes first: with that one there, the next post is the escalation.
    thread.slack.channels[_TEAMS].has_bot = False
    look = await _show(thread, task, look)
    thread.slack.channels[_TEAMS].has_bot = True
    thread.slack.fail("chat.postMessage", lose_answer=True)
    with pytest.raises(PlaceAway) as away:
        await _show(thread, task, look)
    await thread.show(task, away.value.notes)
    assert _escalations(thread) == 1 and len(thread.shown) == 2


async def test_a_channel_that_the_app_is_not_in_keeps_nobody_from_seeing_the_task(thread: Thread) -> None:
    thread.slack.channels[_TEAMS].has_bot = False
    thread.later(hours=24)
    task = _waits()
    look = await _show(thread, task)
    assert len(thread.shown) == 2 and "invite the App" in look.why_not
    assert look.look_at == thread.now + timedelta(hours=1)
    thread.slack.channels[_TEAMS].has_bot = True
    look = await _show(thread, task, look)
    assert _escalations(thread) == 1 and not look.why_not


async def test_the_next_wait_is_one_of_its_own(thread: Thread) -> None:
    task = _waits()
    thread.later(hours=5)
    look = await _show(thread, task)
    again = task.model_copy(
        update={"spans": (*task.spans, StageSpan(stage=Stage.RUN, started=MONDAY), *_at(thread.now))}
    )
    look = await _show(thread, again, look)
    assert len(thread.shown) == 2
    thread.later(hours=18)
    await _show(thread, again, look)
    assert len(thread.shown) == 3


def _at(at: datetime) -> tuple[StageSpan]:
    return (StageSpan(stage=Stage.REVIEW, started=at),)


@pytest.mark.parametrize("stage", [Stage.RUN, Stage.EVALUATE, Stage.MERGE])
async def test_work_that_waits_for_nobody_reminds_nobody(thread: Thread, stage: Stage) -> None:
    thread.later(hours=30)
    look = await _show(thread, status(stage, spans=(StageSpan(stage=stage, started=MONDAY),)))
    assert len(thread.shown) == 1 and look.look_at is None and not _escalations(thread)


async def test_without_the_table_nobody_is_reminded(slack: Slack, tmp_path: Path) -> None:
    thread = Thread(slack, tmp_path)
    thread.later(hours=30)
    look = await _show(thread, _waits())
    assert len(thread.shown) == 1 and look.look_at is None
    assert thread.slack.channels[CHANNEL].messages


_PLATFORM = PlatformPolicy.model_validate(
    {"people": {name: {"slack": f"U0{name.upper()}"} for name in ("alice", "grace", "linus")} | {"outsider": {}}}
)


@pytest.mark.parametrize(
    ("task", "reviewers", "security", "users"),
    [
        (_waits(), (), {}, ["U0GRACE", "U0LINUS"]),
        (_waits(), ("linus",), {}, ["U0LINUS"]),
        (_waits(), (), {"approve": ["grace", "outsider"]}, ["U0GRACE"]),
        (status(Stage.REVIEW, approved_by=("grace",)), (), {}, ["U0LINUS"]),
        (status(Stage.APPROVED, approved_by=("grace",)), (), {}, ["U0GRACE", "U0LINUS"]),
        (_waits(Stage.QUESTION), (), {}, ["U0ALICE"]),
        (_waits(Stage.QUESTION), ("grace",), {}, ["U0ALICE", "U0GRACE"]),
    ],
)
def test_only_who_may_decide_is_named(
    task: TaskStatus, reviewers: tuple[str, ...], security: dict[str, object], users: list[str]
) -> None:
    assert awaited(task, reviewers, _PLATFORM, SecurityPolicy.model_validate(security)) == users


def test_who_may_approve_their_own_task_is_named() -> None:
    alone = _PLATFORM.model_copy(update={"allow_self_approval": True})
    assert "U0ALICE" in awaited(_waits(), (), alone, SecurityPolicy())
    assert "U0ALICE" not in awaited(_waits(), (), alone, SecurityPolicy(allow_self_approval=False))
    assert decision(Action.APPROVE).decision.person.id == "grace"
