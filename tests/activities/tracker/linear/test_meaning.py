"""What Linear tells means what it says, and nothing that a program, a stranger or a broken body says means anything."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.tracker.linear.meaning import (
    Commented,
    SessionBegun,
    SessionPrompted,
    TaskWanted,
    Terms,
    meaning,
)
from activities.webhooks.meaning import Ignored

TERMS = Terms(frozenset({"ENG"}), "journeyman")
ADA = {"id": "ada-id", "type": "user"}
ISSUE = {"id": "issue-id", "identifier": "ENG-1", "title": "It breaks", "team": {"key": "ENG"}}
LABELLED: dict[str, Any] = {
    "type": "Issue",
    "action": "update",
    "actor": ADA,
    "data": {**ISSUE, "labels": [{"id": "l", "name": "Journeyman"}], "labelIds": ["l"]},
    "updatedFrom": {"labelIds": []},
}
SAID: dict[str, Any] = {
    "type": "Comment",
    "action": "create",
    "actor": ADA,
    "data": {"id": "comment-id", "body": "/agent go on", "userId": "ada-id", "issue": ISSUE},
}
SESSION: dict[str, Any] = {
    "type": "AgentSessionEvent",
    "action": "created",
    "agentSession": {
        "id": "session-id",
        "creatorId": "ada-id",
        "issue": ISSUE,
        "comment": {"id": "comment-id", "body": "@journeyman mend it", "userId": "ada-id"},
    },
}
PROMPTED: dict[str, Any] = {
    **SESSION,
    "action": "prompted",
    "agentActivity": {"id": "a", "userId": "ada-id", "content": {"type": "prompt", "body": "go on"}, "signal": None},
}


def changed(body: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    made = copy.deepcopy(body)
    *parents, last = path.split(".")
    inner = made
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return made


def test_a_label_an_assignment_and_a_delegation_may_become_a_task() -> None:
    told = meaning(LABELLED, TERMS)
    assert isinstance(told, TaskWanted) and (told.by, told.to) == ("ada-id", frozenset())
    for name in ("assigneeId", "delegateId"):
        body = changed(changed(LABELLED, "updatedFrom", {name: None}), f"data.{name}", "app-id")
        told = meaning(body, TERMS)
        assert isinstance(told, TaskWanted) and told.to == {"app-id"}
    assert isinstance(meaning(changed(LABELLED, "action", "create"), TERMS), TaskWanted)


def test_words_for_the_app_are_heard_in_comments_and_in_sessions() -> None:
    said, begun, prompted = meaning(SAID, TERMS), meaning(SESSION, TERMS), meaning(PROMPTED, TERMS)
    assert isinstance(said, Commented) and (said.by, said.body) == ("ada-id", "/agent go on")
    assert isinstance(begun, SessionBegun) and begun.comment_id == "comment-id"
    assert isinstance(prompted, SessionPrompted) and (prompted.activity_id, prompted.stop) == ("a", False)
    stopped = meaning(changed(PROMPTED, "agentActivity.signal", "stop"), TERMS)
    assert isinstance(stopped, SessionPrompted) and stopped.stop


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (changed(LABELLED, "actor", {"id": "bot", "type": "oauthClient"}), "programs command no agents"),
        (changed(LABELLED, "actor", None), "programs command no agents"),
        (changed(LABELLED, "updatedFrom", {"title": "before"}), "neither the label"),
        (changed(LABELLED, "updatedFrom", {"labelIds": ["l"]}), "neither the label"),
        (changed(LABELLED, "data.team", {"key": "OPS"}), "another team|does not name"),
        (changed(LABELLED, "action", "remove"), "nothing is done about"),
        (changed(LABELLED, "data.identifier", "eng 1; rm"), "not as Linear describes it"),
        (changed(SAID, "data.body", "Thanks!"), "speaks to nobody"),
        (changed(SAID, "data.userId", None), "no person wrote it"),
        (changed(SAID, "data.userId", "somebody-else"), "no person wrote it"),
        (changed(SAID, "actor", {"id": "ada-id", "type": "integration"}), "no person wrote it"),
        (changed(SAID, "action", "update"), "nothing is done about"),
        (changed(SAID, "data.issue", None), "not below an issue"),
        (changed(SESSION, "agentSession.creatorId", None), "no person began"),
        (changed(SESSION, "agentSession.issue", None), "not about an issue"),
        (changed(PROMPTED, "agentActivity", None), "nobody said anything"),
        ({"type": "OAuthApp", "action": "revoked"}, "nothing is done about"),
        ({}, "type is not as Linear describes it"),
        ({"type": ["Issue"]}, "type is not as Linear describes it"),
    ],
)
def test_what_means_nothing_is_passed_over_for_a_reason_that_is_told(body: dict[str, Any], why: str) -> None:
    told = meaning(body, TERMS)
    assert isinstance(told, Ignored)
    assert any(one in told.reason for one in why.split("|")), told.reason


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from([LABELLED, SAID, SESSION, PROMPTED]),
    st.sampled_from(["actor", "data", "updatedFrom", "agentSession", "agentActivity", "organizationId", "action"]),
    _ANY,
)
def test_no_body_breaks_whoever_reads_it(body: dict[str, Any], name: str, value: object) -> None:
    assert meaning({**body, name: value}, TERMS) is not None
