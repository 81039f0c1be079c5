"""What something that Linear told means: a pure function of its body, before anybody is asked anything."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from activities.tracker.linear.payloads import CommentTold, Envelope, IssuePart, IssueTold, SessionTold
from activities.tracker.linear.spoken import may_be_spoken
from activities.webhooks.meaning import Ignored

STOP = "stop"
_SAID_AT_MOST = 70_000


@dataclass(frozen=True)
class TaskWanted:
    """An issue was labelled, assigned or delegated so that it may become a task."""

    issue: IssuePart
    by: str
    """Id of the user."""
    to: frozenset[str] = frozenset()
    """Ids of whom it was assigned or delegated to; empty where a label says it."""


@dataclass(frozen=True)
class Commented:
    """Somebody wrote a comment that may be a command."""

    issue: IssuePart
    comment_id: str
    body: str
    by: str
    at: datetime | None


@dataclass(frozen=True)
class SessionBegun:
    """Somebody mentioned the App, or delegated an issue to it."""

    session_id: str
    issue: IssuePart
    by: str
    comment_id: str
    """Of the comment that it began with; empty if there is none."""


@dataclass(frozen=True)
class SessionPrompted:
    """Somebody said something in a session."""

    session_id: str
    issue: IssuePart
    by: str
    activity_id: str
    comment_id: str
    stop: bool


Meaning = Ignored | TaskWanted | Commented | SessionBegun | SessionPrompted


@dataclass(frozen=True)
class Terms:
    """What the platform's owner wants to be told."""

    teams: Collection[str] = ()
    label: str = ""


def meaning(body: dict[str, Any], terms: Terms) -> Meaning:
    """What it means; never raises for what a body holds."""
    try:
        told = Envelope.model_validate(body)
        reading = _READINGS.get((told.type, told.action))
        if reading is None:
            return Ignored(f"nothing is done about {told.type[:40]!r} {told.action[:40]!r}")
        return reading(body, terms)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        return Ignored(f"{where} is not as Linear describes it")


def _issue(body: dict[str, Any], terms: Terms) -> Meaning:
    told = IssueTold.model_validate(body)
    issue = told.data
    if other := _of_another_team(issue, terms):
        return other
    if told.actor is None or told.actor.type != "user":
        return Ignored("no person did it, and programs command no agents")
    to = {
        value
        for name, value in (("assigneeId", issue.assignee_id), ("delegateId", issue.delegate_id))
        if value and (told.action == "create" or name in told.updated_from)
    }
    named = {one.id for one in issue.labels if terms.label and one.name.lower() == terms.label.lower()}
    before = told.labels_before if told.action == "update" else frozenset()
    if before is not None and named - before:
        return TaskWanted(issue, told.actor.id)
    if to:
        return TaskWanted(issue, told.actor.id, frozenset(to))
    return Ignored("neither the label nor whom it is assigned to changed")


def _comment(body: dict[str, Any], terms: Terms) -> Meaning:
    told = CommentTold.model_validate(body)
    comment = told.data
    if comment.issue is None:
        return Ignored("it is not below an issue")
    if other := _of_another_team(comment.issue, terms):
        return other
    if not comment.user_id or told.actor is None or (told.actor.type, told.actor.id) != ("user", comment.user_id):
        return Ignored("no person wrote it, and programs command no agents")
    text = comment.body[:_SAID_AT_MOST]
    if not may_be_spoken(text):
        return Ignored("it speaks to nobody here")
    return Commented(comment.issue, comment.id, text, comment.user_id, _moment(comment.created_at))


def _begun(body: dict[str, Any], terms: Terms) -> Meaning:
    session = SessionTold.model_validate(body).agent_session
    if session.issue is None:
        return Ignored("the session is not about an issue")
    if other := _of_another_team(session.issue, terms):
        return other
    if not session.creator_id:
        return Ignored("no person began the session, and programs command no agents")
    comment = session.comment
    source = session.source_comment_id or (comment.id if comment is not None else "")
    return SessionBegun(session.id, session.issue, session.creator_id, source)


def _prompted(body: dict[str, Any], terms: Terms) -> Meaning:
    told = SessionTold.model_validate(body)
    session, said = told.agent_session, told.agent_activity
    if session.issue is None or said is None or not said.user_id:
        return Ignored("nobody said anything about an issue")
    if other := _of_another_team(session.issue, terms):
        return other
    return SessionPrompted(
        session.id,
        session.issue,
        said.user_id,
        said.id,
        said.source_comment_id or "",
        said.signal == STOP,
    )


def _of_another_team(issue: IssuePart, terms: Terms) -> Ignored | None:
    key = issue.team.key if issue.team is not None else issue.identifier.partition("-")[0]
    return None if key in terms.teams else Ignored("it is about a team that [linear].teams does not name")


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


_READINGS = {
    ("Issue", "create"): _issue,
    ("Issue", "update"): _issue,
    ("Comment", "create"): _comment,
    ("AgentSessionEvent", "created"): _begun,
    ("AgentSessionEvent", "prompted"): _prompted,
}
