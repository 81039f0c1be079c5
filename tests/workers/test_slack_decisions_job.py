"""Buttons and words about a task in Slack: they count for what was shown beside them, by whoever may, and once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.chat.slack.button import APPROVE, APPROVE_MERGE, REJECT, REQUEST_CHANGES, REVERT, answer_id
from activities.chat.slack.forms import CHANGES
from tests.support.repositories import git
from tests.support.slack.workspace import TEAM, Message
from tests.workers.in_slack import GOAL, Slacked, button, slacked
from workflows.models.decision import Action
from workflows.models.delivery import Taken
from workflows.models.question import Choice
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("slack-decisions")


def newest_root(at: Slacked) -> Message:
    """The App's newest message that a thread begins with."""
    messages = reversed(at.slack.channels["C0SHOP"].messages)
    return next(one for one in messages if one.metadata and not one.thread_ts)


@pytest_asyncio.fixture(scope="module")
async def at(place: Path) -> AsyncIterator[Slacked]:
    async with slacked(place) as both:
        yield both


async def test_an_old_message_approves_no_new_patch_and_changes_are_asked_for_in_words(at: Slacked) -> None:
    shown = await at.proposed(f"agent:listener {GOAL}")
    task = shown.task.id
    before = set(at.slack.views)
    await at.people.press("U0GRACE", REQUEST_CHANGES, button(shown))
    async with asyncio.timeout(30):
        while not (found := set(at.slack.views) - before):
            await asyncio.sleep(0.01)
    form = at.slack.views[found.pop()]
    assert form["callback_id"] == CHANGES
    nothing = await at.people.submit("U0GRACE", form, {("words", "words"): {"value": "  "}})
    assert nothing.told["errors"] == {"words": "Say what should change."}
    words = {("words", "words"): {"value": "also say why"}}
    (sent,) = await at.came_of(at.people.submit("U0GRACE", form, words), at.people.submit("U0GRACE", form, words))
    assert sent.outcome is Taken.DONE, sent.detail
    now = (await at.here.reaches(task, Stage.REVIEW, Stage.ENDED)).status
    assert now.patch is not None and shown.patch is not None and now.patch.head != shown.patch.head
    for action in (APPROVE, APPROVE_MERGE, REJECT):
        old = await at.press("U0GRACE", action, button(shown))
        assert old.outcome is Taken.REFUSED, action
        assert "look at it again" in await at.told("U0GRACE", f"this button is about {shown.patch.head[:12]}")
    forged = await at.press("U0GRACE", APPROVE, button(now, evidence="0" * 64))
    assert forged.outcome is Taken.REFUSED and "judged again" in forged.detail
    assert (await at.here.view(task)).status.approved_by == ()
    other = set(at.slack.views)
    await at.people.press("U0GRACE", REQUEST_CHANGES, button(shown))
    async with asyncio.timeout(30):
        while not (found := set(at.slack.views) - other):
            await asyncio.sleep(0.01)
    (late,) = await at.came_of(at.people.submit("U0GRACE", at.slack.views[found.pop()], words))
    assert late.outcome is Taken.REFUSED and "look at it again" in late.detail
    rejected = await at.press("U0GRACE", REJECT, button(now))
    assert rejected.outcome is Taken.DONE, rejected.detail
    assert (await at.here.reaches(task, Stage.ENDED)).status.outcome is Outcome.REJECTED


async def test_one_press_approves_and_merges_and_another_takes_it_back(at: Slacked) -> None:
    status = await at.proposed()
    task, value = status.task.id, button(status)
    own = await at.press("U0ADA", APPROVE_MERGE, value)
    assert own.outcome is Taken.REFUSED
    assert "another person has to approve" in await at.told("U0ADA", "asked for this task")
    merged = await at.press("U0GRACE", APPROVE_MERGE, value)
    assert merged.outcome is Taken.DONE, merged.detail
    assert (await at.here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    late = await at.press("U0LINUS", APPROVE, value)
    assert late.outcome is Taken.REFUSED
    assert "has ended as merged" in await at.told("U0LINUS", task)
    assert "a + b" in git(at.shop, "show", "main:calc.py")
    first, second = await at.came_of(
        at.people.press("U0LINUS", REVERT, value), at.people.press("U0LINUS", REVERT, value)
    )
    assert (first.outcome, second.outcome) == (Taken.DONE, Taken.DONE), (first.detail, second.detail)
    assert "a - b" in git(at.shop, "show", "main:calc.py")
    assert git(at.shop, "log", "--format=%s", "main").count("Revert") == 1


async def test_words_that_decide_elsewhere_cost_no_approval_and_say_where(at: Slacked) -> None:
    status = await at.proposed()
    task, root = status.task.id, newest_root(at)
    thread = root.thread_ts or root.ts
    approved = await at.press("U0GRACE", APPROVE, button(status))
    assert approved.outcome is Taken.DONE, approved.detail
    for words, advice in (("approve", "press *Approve*"), ("LGTM!", "press *Approve*"), ("reject this", "*Reject*")):
        (refused,) = await at.came_of(at.people.mention("U0LINUS", words, thread_ts=thread))
        assert refused.outcome is Taken.REFUSED and advice in refused.detail, refused.detail
        assert await at.told("U0LINUS", advice)
    assert (await at.here.view(task)).status.approved_by == ("grace",)
    for words in ("merge c4ffnej4ju", "merge duplicates"):
        (other,) = await at.came_of(at.people.mention("U0GRACE", words, thread_ts=thread))
        assert (other.outcome, "nothing is merged" in other.detail) == (Taken.REFUSED, True), other.detail
    (merged,) = await at.came_of(at.people.mention("U0GRACE", "merge it please!", thread_ts=thread))
    assert merged.outcome is Taken.DONE, merged.detail
    assert (await at.here.reaches(task, Stage.ENDED)).status.runs == 1
    (back,) = await at.came_of(at.people.mention("U0GRACE", "revert", thread_ts=thread))
    assert back.outcome is Taken.REFUSED and "press *Revert*" in back.detail, back.detail
    reverted = await at.press("U0GRACE", REVERT, button(status))
    assert reverted.outcome is Taken.DONE, reverted.detail


async def test_two_approvers_and_a_double_click_at_once_are_one_merge(at: Slacked) -> None:
    status = await at.proposed()
    value = button(status)
    results = await at.came_of(
        *(at.people.press(user, APPROVE_MERGE, value) for user in ("U0GRACE", "U0GRACE", "U0LINUS"))
    )
    assert Taken.DONE in {one.outcome for one in results}, results
    ended = (await at.here.reaches(status.task.id, Stage.ENDED)).status
    assert ended.outcome is Outcome.MERGED
    merges = [one for one in ended.decisions if one.decision.action is Action.MERGE]
    assert len(merges) == 1
    refused = [one for one in results if one.outcome is Taken.REFUSED]
    told = [*at.slack.told_to("U0GRACE"), *at.slack.told_to("U0LINUS")]
    assert all(any(one.detail[:40] in text for text in told) for one in refused)
    reverted = await at.press("U0GRACE", REVERT, value)
    assert reverted.outcome is Taken.DONE, reverted.detail


async def test_whoever_was_deactivated_or_is_nobody_decides_nothing(at: Slacked) -> None:
    status = await at.proposed()
    at.slack.users["U0LINUS"].deleted = True
    try:
        gone = await at.press("U0LINUS", APPROVE, button(status))
    finally:
        at.slack.users["U0LINUS"].deleted = False
    assert gone.outcome is Taken.REFUSED and "deactivated" in gone.detail
    nobody = await at.press("U0MALLORY", APPROVE, button(status))
    assert nobody.outcome is Taken.REFUSED and await at.told("U0MALLORY", "nobody is known")
    for value in ("", "{}", '{"task": "../../x"}', "x" * 2000, button(status, task="aaaaaaaaaa")):
        broken = await at.press("U0GRACE", APPROVE, value)
        assert broken.outcome is Taken.REFUSED, value
    assert (await at.here.view(status.task.id)).status.approved_by == ()
    approved = await at.press("U0GRACE", APPROVE, button(status))
    assert approved.outcome is Taken.DONE, approved.detail
    assert (await at.here.view(status.task.id)).status.approved_by == ("grace",)
    merged = await at.press("U0GRACE", APPROVE_MERGE, button(status))
    assert merged.outcome is Taken.DONE, merged.detail
    await at.here.reaches(status.task.id, Stage.ENDED)
    await at.press("U0GRACE", REVERT, button(status))


async def test_a_reply_answers_what_a_vague_goal_left_open_and_other_talk_is_left_alone(at: Slacked) -> None:
    (begun,) = await at.came_of(at.people.mention("U0ADA", "fix it"))
    root = at.slack.channels["C0SHOP"].messages[-1]
    view = await at.here.reaches(begun.task_id, Stage.QUESTION)
    assert view.status.question is not None
    (stranger,) = await at.came_of(at.people.say("U0MALLORY", "delete everything", thread_ts=root.ts))
    assert stranger.outcome is Taken.REFUSED
    assert not any("delete" in text for text in at.slack.told_to("U0MALLORY"))
    (answered,) = await at.came_of(at.people.say("U0ADA", GOAL, thread_ts=root.ts))
    assert answered.outcome is Taken.DONE, answered.detail
    view = await at.here.reaches(begun.task_id, Stage.REVIEW, Stage.ENDED)
    assert view.status.stage is Stage.REVIEW, view.status.message
    (chatter,) = await at.came_of(at.people.say("U0GRACE", "looks good to me", thread_ts=root.ts))
    assert chatter.outcome is Taken.IGNORED
    assert (await at.here.view(begun.task_id)).status.stage is Stage.REVIEW
    await at.here.decide(begun.task_id, Action.CANCEL)


async def test_a_button_answers_the_question_that_it_was_shown_with_and_no_later_one(at: Slacked) -> None:
    (begun,) = await at.came_of(at.people.command("U0ADA", "fix it"))
    status = (await at.here.reaches(begun.task_id, Stage.QUESTION)).status
    wrong = await at.press("U0ADA", answer_id(Choice.DISCARD), button(status, question="q99"))
    assert wrong.outcome is Taken.REFUSED
    assert await at.told("U0ADA", "does not ask that any more")
    left = await at.press("U0ADA", answer_id(Choice.DISCARD), button(status))
    assert left.outcome is Taken.DONE, left.detail
    assert (await at.here.reaches(begun.task_id, Stage.ENDED)).status.outcome is Outcome.DISCARDED


async def test_a_decision_waits_for_slack_to_say_who_it_was(at: Slacked) -> None:
    status = await at.proposed()
    at.slack.fail("users.info", retry_after=1)
    approved = await at.press("U0GRACE", APPROVE, button(status))
    assert approved.outcome is Taken.DONE, approved.detail
    assert (await at.here.view(status.task.id)).status.approved_by == ("grace",)
    for url in (
        f"{at.slack.address}/commands/gone",
        "http://127.0.0.1:9/commands/1",
        "https://hooks.slack.com.evil.test/x",
    ):
        before = len(at.slack.of("chat.postEphemeral"))
        refused = await at.press("U0GRACE", APPROVE, button(status), response_url=url)
        assert refused.outcome is Taken.REFUSED
        # What takes nothing any more, or is not Slack's, is no reason for silence.
        (said,) = at.slack.of("chat.postEphemeral")[before:]
        assert (said["user"], said["channel"]) == ("U0GRACE", "C0SHOP") and "can't approve" in said["text"]
    await at.here.decide(status.task.id, Action.CANCEL)


async def test_words_in_the_thread_of_a_command_wait_for_its_task_and_that_is_told_once(at: Slacked) -> None:
    task = await at.asked(f"agent:sleeper {GOAL}")
    root = newest_root(at)
    found = await at.here.parts.shared.intents.find(f"slack:{TEAM}:C0SHOP:{root.ts}")
    assert found is not None and found.task_id == task
    await at.here.reaches(task, Stage.RUN)
    before = at.digests()
    await at.people.mention("U0GRACE", "also say why", thread_ts=root.ts)
    assert task in await at.told("U0GRACE", "it is told once its patch is there")
    (waiting,) = at.digests() - before
    (known,) = await at.came_of(at.people.mention("U0ADA", "cancel", thread_ts=root.ts))
    assert (known.outcome, known.task_id) == (Taken.DONE, task), known.detail
    late = await at.result(waiting)
    assert late.outcome is Taken.REFUSED and "has ended as cancelled" in late.detail
    said = [text for text in at.slack.told_to("U0GRACE") if task in text]
    assert len(said) == 2 and "has ended" in said[1], said
