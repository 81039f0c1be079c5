"""A person's day in Slack: asks, answers, wants changes, approves, merges, and takes it back; nothing else is used."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHandle

from tests.support.slack.workspace import Message
from tests.workers.in_slack import GOAL, Slacked, button, slacked
from tests.workers.slack_thread import button_ids, read
from workers.gateway.messages import NewObservation
from workflows.models.conversation import Shown, conversation_workflow_id
from workflows.models.decision import Action
from workflows.models.delivery import Taken
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("slack-job")
_EVERY_DAY = 'days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], begin = "00:00", end = "23:59:59"'
_REMINDERS = (
    f', reminders = {{ remind_hours = 0.0005, escalate_hours = 0.001, escalation_channel = "C0ELSE", {_EVERY_DAY} }}'
)
"""After two and four seconds."""


@pytest_asyncio.fixture(scope="module")
async def at(place: Path) -> AsyncIterator[Slacked]:
    async with slacked(place, _REMINDERS) as both:
        yield both


def _about(at: Slacked, task: str, name: str = "task") -> list[Message]:
    """The App's messages of this name about a task, wherever they are."""
    messages = [message for channel in list(at.slack.channels.values()) for message in list(channel.messages)]
    wanted = {"task": task, "name": name}
    return [one for one in messages if one.metadata and wanted.items() <= one.metadata["event_payload"].items()]


async def _shows(at: Slacked, task: str, holds: Callable[[Message], bool], name: str = "task") -> Message:
    """Wait until the one message of this name shows something."""
    try:
        async with asyncio.timeout(60):
            while not ((found := _about(at, task, name)) and holds(found[0])):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError([read(one) for one in _about(at, task, name)]) from None
    (message,) = found
    return message


async def _press(at: Slacked, user: str, action: str, message: Message) -> str:
    """Press a button as it is shown; returns the outcome and what was said."""
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    (value,) = [button["value"] for row in rows for button in row if button["action_id"] == action]
    result = await at.press(user, action, value, ts=message.ts)
    return f"{result.outcome}: {result.detail}"


async def test_a_task_is_asked_for_answered_changed_approved_merged_and_taken_back_in_slack(at: Slacked) -> None:
    # A goal that says too little: it asks back, in a message of its own, and a reply answers.
    task = await at.asked("fix it")
    question = await _shows(at, task, lambda one: bool(button_ids(one)), "question-q1")
    assert "Reply in this thread" in read(question)
    replied = await at.came_of(at.people.say("U0ADA", GOAL, thread_ts=question.thread_ts))
    assert [one.outcome for one in replied] == [Taken.DONE], replied
    await _shows(at, task, lambda one: "answered by `ada`" in read(one) and not button_ids(one), "question-q1")

    # The patch is shown with what was found out, and goes back once with words of a reviewer's.
    message = await _shows(at, task, lambda one: "approve" in button_ids(one))
    for part in ("Ready for review", "The agent says", "test turned", "Risk:", "0.00 USD so far"):
        assert part in read(message), read(message)
    assert "Phase" not in read(message)
    first = message.edits
    told = await at.came_of(at.people.mention("U0GRACE", "also say why in a comment", thread_ts=message.thread_ts))
    assert [one.outcome for one in told] == [Taken.DONE], told
    message = await _shows(
        at, task, lambda one: "Changes requested by `grace`" in read(one) and "approve" in button_ids(one)
    )
    assert message.edits > first

    # Who asked may not approve: the button says so to them alone, and nothing happens.
    refused = await _press(at, "U0ADA", "approve", message)
    assert refused.startswith("refused") and "another person" in refused

    assert (await _press(at, "U0GRACE", "approve", message)).startswith("done")
    message = await _shows(
        at, task, lambda one: "Approved by `grace`" in read(one) and "approve_merge" in button_ids(one)
    )
    assert "Phase 1: policy leaves it to people" in read(message)
    assert (await _press(at, "U0GRACE", "approve_merge", message)).startswith("done")
    message = await _shows(at, task, lambda one: button_ids(one) == ["revert"])
    assert "Merged as" in read(message)

    # A monitor tells that base is red since: the message says so, next to the button.
    merged = (await at.here.view(task)).status
    seen = NewObservation(repository=str(at.shop), commit=merged.merge_commit, name="error-rate", good=False)
    await asyncio.to_thread(at.here.gateway("grace").observe, seen)
    message = await _shows(at, task, lambda one: "Base turned red" in read(one) and "error-rate" in read(one))

    assert (await _press(at, "U0GRACE", "revert", message)).startswith("done")
    message = await _shows(at, task, lambda one: "*Taken back* by `grace`" in read(one))
    assert not button_ids(message)
    status = (await at.here.view(task)).status
    assert status.outcome is Outcome.MERGED
    # Nothing can change any more: nobody talks about it now.
    async with asyncio.timeout(30):
        talked = await at.temporal.get_workflow_handle(conversation_workflow_id(task), result_type=Shown).result()
    assert talked.is_over and not talked.not_shown
    # One message for the task and one for its question, whatever happened in between.
    assert len(_about(at, task)) == len(_about(at, task, "question-q1")) == 1


async def test_slack_that_is_down_holds_up_no_task_and_catches_up_with_one_message(at: Slacked) -> None:
    # Its answer is lost, and what comes next is too much for a moment.
    at.slack.fail("chat.postMessage", lose_answer=True)
    at.slack.fail("chat.update", retry_after=1, times=2)
    sent = await at.people.mention("U0ADA", GOAL)
    assert sent.status == 200
    task = await _task_of(at)
    await at.here.reaches(task, Stage.REVIEW)
    message = await _shows(at, task, lambda one: "approve" in button_ids(one))
    assert len(_about(at, task)) == 1 and "Ready for review" in read(message)
    assert (await _press(at, "U0GRACE", "reject", message)).startswith("done")
    await _shows(at, task, lambda one: "Rejected by `grace`" in read(one) and not button_ids(one))
    assert len(_about(at, task)) == 1
    assert not at.slack.faults


async def test_a_token_that_is_revoked_holds_up_no_decision_and_another_shows_what_came_of_it(at: Slacked) -> None:
    status = await at.proposed()
    task = status.task.id
    message = await _shows(at, task, lambda one: "approve" in button_ids(one))
    token, at.slack.bot_token = at.slack.bot_token, "xoxb-another"
    try:
        await at.here.decide(task, Action.APPROVE)
        await at.here.decide(task, Action.MERGE)
        await at.here.reaches(task, Stage.ENDED)
        assert "approve" in button_ids(message)
        conversation = at.temporal.get_workflow_handle(conversation_workflow_id(task))
        async with asyncio.timeout(30):
            while "invalid_auth" not in await _details(conversation):
                await asyncio.sleep(0.05)
    finally:
        at.slack.bot_token = token
    await at.here.revert(task)
    message = await _shows(at, task, lambda one: "*Taken back* by `grace`" in read(one))
    assert len(_about(at, task)) == 1 and not button_ids(message)


async def _details(workflow: WorkflowHandle[Any, Any]) -> str:
    """What Temporal's UI shows of it."""
    told: WorkflowMetadata = await workflow.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return told.current_details


async def test_who_may_decide_is_reminded_once_and_then_the_channel_hears_of_it(at: Slacked) -> None:
    status = await at.proposed()
    task = status.task.id
    wait = int(status.spans[-1].started.timestamp())
    reminder = await _shows(at, task, lambda one: "<@U0GRACE>" in one.text, f"reminder-{wait}")
    assert "<@U0LINUS>" in reminder.text and "<@U0ADA>" not in reminder.text
    escalation = await _shows(at, task, lambda one: "its thread" in read(one), f"escalation-{wait}")
    assert escalation in at.slack.channels["C0ELSE"].messages
    message = await _shows(at, task, lambda one: "approve" in button_ids(one))
    assert (await _press(at, "U0GRACE", "reject", message)).startswith("done")
    async with asyncio.timeout(30):
        await at.temporal.get_workflow_handle(conversation_workflow_id(task)).result()
    assert len(_about(at, task, f"reminder-{wait}")) == len(_about(at, task, f"escalation-{wait}")) == 1


async def test_the_home_shows_what_waits_and_strangers_nothing(at: Slacked) -> None:
    status = await at.proposed()
    # What the home lists, Temporal's visibility tells a moment later.
    async with asyncio.timeout(30):
        while (await _lines(at, status.task.id)) != [Stage.REVIEW]:
            await asyncio.sleep(0.05)
    await _opens_home(at, "U0GRACE")
    await _opens_home(at, "U0ADA")
    await _opens_home(at, "U0MALLORY")
    for user, waits, asked in (("U0GRACE", 1, 0), ("U0ADA", 0, 1)):
        home = await _home(at, user)
        before, _, after = home.partition("Your tasks")
        mine = after.partition("The team")[0]
        assert (before.count(status.task.id), mine.count(status.task.id)) == (waits, asked), home
        assert "shop" in home
    assert status.task.id not in await _home(at, "U0MALLORY")


async def test_a_merge_is_taken_back_from_the_home_and_whoever_did_it_is_told(at: Slacked) -> None:
    status = await at.proposed()
    task = status.task.id
    merged = await at.press("U0GRACE", "approve_merge", button(status))
    assert merged.outcome is Taken.DONE, merged.detail
    await at.here.reaches(task, Stage.ENDED)
    at.slack.homes.pop("U0LINUS", None)
    await _opens_home(at, "U0LINUS")
    await _home(at, "U0LINUS")
    shown = [one["accessory"] for one in at.slack.homes["U0LINUS"]["blocks"] if "accessory" in one]
    (revert,) = [one for one in shown if task in one["value"]]
    (result,) = await at.came_of(at.people.press_at_home("U0LINUS", revert["action_id"], revert["value"]))
    assert (result.outcome, result.task_id) == (Taken.DONE, task), result.detail
    direct = at.slack.direct("U0LINUS")
    assert [one.text for one in direct.messages] == [f"the merge of task {task} is taken back"]
    await _shows(at, task, lambda one: "*Taken back* by `linus`" in read(one))


async def _opens_home(at: Slacked, user: str) -> None:
    event = {"type": "app_home_opened", "user": user, "channel": "D0HOME", "tab": "home", "event_ts": "1.000001"}
    sent = await at.people.send("events_api", at.people.an_event(event))
    assert sent.status == 200


async def _home(at: Slacked, user: str) -> str:
    async with asyncio.timeout(30):
        while user not in at.slack.homes:
            await asyncio.sleep(0.05)
    return json.dumps(at.slack.homes[user])


async def _lines(at: Slacked, task: str) -> list[Stage]:
    lines = await asyncio.to_thread(at.here.gateway("ada").tasks)
    return [line.stage for line in lines if line.task_id == task]


async def _task_of(at: Slacked) -> str:
    async with asyncio.timeout(60):
        while True:
            lines = await asyncio.to_thread(at.here.gateway("ada").tasks)
            if lines and lines[0].stage is not Stage.ENDED:
                return lines[0].task_id
            await asyncio.sleep(0.05)
