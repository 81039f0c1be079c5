"""The message about a task: what a reviewer sees before deciding, and that nobody else's words act in it."""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.chat.slack.blocks import task_message
from activities.chat.slack.button import Button
from activities.chat.slack.message import Message
from activities.chat.slack.seen import TaskSeen
from tests.activities.chat.slack.seen_tasks import (
    EVIL,
    HASH,
    NOW,
    decision,
    says_nothing_but_itself,
    status,
    taken_by_slack,
    texts,
    worst,
)
from tests.workflows.scripted import sha
from workflows.models.decision import Action
from workflows.models.gate import Permit, Risk, RiskTier, Verdict
from workflows.models.observation import Observation
from workflows.models.pull_request import RevertOutcome, RevertOutlook, RevertPreview, RevertResult
from workflows.models.status import Outcome, Stage, StageSpan
from workflows.models.watch import WatchOutcome, WatchResult

LINKS = ("https://github.example/acme/shop/pull/7", "https://temporal.example/")


def _all(message: Message) -> str:
    return "\n".join(text for _, text in texts(message))


def _buttons(message: Message) -> dict[str, dict[str, object]]:
    rows = [block for block in message.as_json() if block["type"] == "actions"]
    return {button["action_id"]: button for row in rows for button in row["elements"]}


@pytest.mark.parametrize("words", ["x" * 20_000, "<" * 20_000, "&`\n" * 6_000, "שלום " * 4000, "👩‍👩‍👧" * 3000])
def test_the_longest_task_is_still_taken_by_slack(words: str) -> None:
    for seen in worst(words):
        taken_by_slack(task_message(seen))


def test_nobodys_words_mention_link_or_format_anywhere() -> None:
    for seen in worst(EVIL):
        says_nothing_but_itself(task_message(seen), *LINKS)


@given(st.text(min_size=1, max_size=300).filter(lambda text: bool(text.strip())))
@settings(max_examples=60, deadline=None)
def test_whatever_is_written_is_shown_and_says_nothing_but_itself(words: str) -> None:
    for stage in (Stage.REVIEW, Stage.GUIDANCE, Stage.RUN):
        message = task_message(TaskSeen(status(stage, words, decisions=(decision(Action.APPROVE, words),))))
        taken_by_slack(message)
        for _, text in texts(message):
            assert "<!channel" not in text and "<@" not in text and "\u202e" not in text


def test_a_reviewer_sees_what_was_asked_what_the_agent_says_and_what_was_found() -> None:
    seen = TaskSeen(status(words="mend add()"), temporal_ui="https://temporal.example/w")
    message = task_message(seen)
    told = _all(message)
    for part in (
        "Ready for review",
        "*Asked* by `alice`",
        "mend add()",
        "The agent says",
        "Checks:",
        "Size: 0 files",
        "Risk: *medium*",
    ):
        assert part in told
    assert "1.23 USD so far" in told and "<!date^" in told
    assert "<https://github.example/acme/shop/pull/7|pull request #7>" in told
    assert "<https://temporal.example/w|Temporal>" in told and "--timeline" in told
    assert list(_buttons(message)) == ["approve", "approve_merge", "request_changes", "reject"]
    traced = _all(task_message(dataclasses.replace(seen, trace_ui="https://traces.example/4bf9")))
    assert "<https://traces.example/4bf9|trace>" in traced and "--timeline" not in traced


def test_every_button_is_about_exactly_what_is_shown_beside_it() -> None:
    seen = TaskSeen(status())
    for button in _buttons(task_message(seen)).values():
        about = Button.parse(str(button["value"]))
        assert (about.task, about.head, about.evidence) == (seen.status.task.id, sha("head"), HASH)


def test_policys_verdict_does_not_lead_who_has_not_decided() -> None:
    verdict = Verdict(
        permits=Permit.MERGE,
        earned=3,
        phase=3,
        risk=Risk(tier=RiskTier.LOW),
        head=sha("head"),
        evidence_hash=HASH,
        policy_hash="p",
        version="1",
    )
    assert "Phase" not in _all(task_message(TaskSeen(status())))
    after = status(Stage.APPROVED, verdict=verdict, decisions=(decision(Action.APPROVE),))
    assert "Phase 3: policy approves and merges it" in _all(task_message(TaskSeen(after)))


def test_who_decided_what_is_shown_and_the_buttons_go() -> None:
    rejected = status(Stage.ENDED, outcome=Outcome.REJECTED, decisions=(decision(Action.REJECT, "too risky"),))
    message = task_message(TaskSeen(rejected))
    assert "Rejected by `grace` <!date^" in _all(message) and "too risky" in _all(message)
    assert not _buttons(message)


def test_a_merge_can_be_taken_back_until_it_was_and_then_it_is_told_by_whom() -> None:
    merged = status(Stage.ENDED, outcome=Outcome.MERGED, merge_commit=sha("merge"))
    red = Observation(
        repository="r",
        commit=sha("merge"),
        name="ci",
        good=False,
        person=decision(Action.MERGE).decision.person,
        observed_at=NOW,
    )
    message = task_message(TaskSeen(merged, watch=WatchResult(outcome=WatchOutcome.RED, red=red)))
    assert "confirm" in _buttons(message)["revert"]
    assert "Base turned red" in _all(message)
    for outlook, told in (
        (
            RevertPreview(outlook=RevertOutlook.CLEAN, tried_at=NOW),
            "Taking it back was clean when it was tried <!date^",
        ),
        (RevertPreview(outlook=RevertOutlook.CONFLICT, conflicts=("calc.py",)), "came to *conflict* in `calc.py`"),
    ):
        watch = WatchResult(outcome=WatchOutcome.RED, red=red, outlook=outlook)
        assert told in _all(task_message(TaskSeen(merged, watch=watch)))
    revert = RevertResult(outcome=RevertOutcome.REVERTED, commit=sha("revert"), seconds=2)
    back = task_message(TaskSeen(merged, reverts=(revert,), reverted_by="grace"))
    assert f"*Taken back* by `grace` as `{sha('revert')[:12]}`" in _all(back)
    assert not _buttons(back)
    late = task_message(TaskSeen(merged, can_revert=False))
    assert not _buttons(late) and "journeyman revert" in _all(late)


def test_a_pull_request_elsewhere_is_no_link() -> None:
    seen = status()
    assert seen.pull_request is not None
    for address in ("https://evil.example/acme/shop/pull/7", "https://github.example/acme/shop2", "javascript:x", "["):
        moved = seen.model_copy(update={"pull_request": seen.pull_request.model_copy(update={"url": address})})
        assert f"`{address}`" in _all(task_message(TaskSeen(moved)))


def test_what_has_not_changed_is_the_same_message_whenever_it_is_made() -> None:
    seen = status()
    assert task_message(TaskSeen(seen)).digest == task_message(TaskSeen(seen.model_copy())).digest
    later = seen.model_copy(update={"spans": (StageSpan(stage=Stage.REVIEW, started=NOW + timedelta(minutes=1)),)})
    assert task_message(TaskSeen(later)).digest != task_message(TaskSeen(seen)).digest


def test_halted_work_says_so_and_can_be_decided_about() -> None:
    message = task_message(TaskSeen(status(), halted="everything by eve: leak"))
    assert "Halted" in _all(message) and "everything by eve" in _all(message)
    assert "approve" in _buttons(message)
