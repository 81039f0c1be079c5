"""An issue of Linear's, and what else is read there, as Linear answers it now."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from activities.tracker.linear.failed import LinearAway


@dataclass(frozen=True)
class State:
    """A state of a team's workflow."""

    id: str
    name: str
    type: str
    """`triage`, `backlog`, `unstarted`, `started`, `completed` or `canceled`."""
    position: float = 0


@dataclass(frozen=True)
class Issue:
    """As it is now."""

    id: str
    identifier: str
    previous: tuple[str, ...]
    """What it was called in other teams."""
    title: str
    description: str
    url: str
    organization: str
    team_id: str
    team: str
    """Its key, such as `ENG`."""
    is_gone: bool
    """Whether it, or its team, is archived or in the bin."""
    state: State
    labels: frozenset[str]
    """Names, in lower case."""
    creator: str
    created_at: datetime
    updated_at: datetime
    responsible: frozenset[str]
    """Ids of whom it is assigned and delegated to."""
    priority: str
    project: str
    cycle: str


@dataclass(frozen=True)
class Comment:
    """One below an issue."""

    id: str
    body: str
    user_id: str
    """Empty where no user of the workspace wrote it."""
    name: str
    is_bot: bool
    created_at: datetime
    written_at: datetime
    """When it came to be as it is."""
    issue_id: str


@dataclass(frozen=True)
class User:
    """Somebody in the workspace."""

    id: str
    name: str
    mail: str
    active: bool
    guest: bool
    app: bool
    organization: str


@dataclass(frozen=True)
class Change:
    """An entry of an issue's history."""

    id: str
    at: datetime
    actor: str
    state_id: str
    labels: frozenset[str]
    """Names of those that were added, in lower case."""
    to: frozenset[str]
    """Ids of whom it was assigned or delegated to."""
    is_text: bool
    """Whether its title or its description were changed."""
    is_bot: bool
    """Whether a program did it, be it in somebody's name."""


def issue_of(node: Mapping[str, Any]) -> Issue:
    """Raises LinearAway for what is not as Linear describes it."""
    with _as_described():
        team, cycle = node["team"], node["cycle"]
        gone = node["trashed"] or node["archivedAt"] or team["archivedAt"] or team["retiredAt"]
        return Issue(
            id=node["id"],
            identifier=node["identifier"],
            previous=tuple(node["previousIdentifiers"]),
            title=node["title"],
            description=node["description"] or "",
            url=node["url"],
            organization=team["organization"]["id"],
            team_id=team["id"],
            team=team["key"],
            is_gone=bool(gone),
            state=state_of(node["state"]),
            labels=frozenset(one["name"].lower() for one in node["labels"]["nodes"]),
            creator=(node["creator"] or {}).get("id", ""),
            created_at=_moment(node["createdAt"]),
            updated_at=_moment(node["updatedAt"]),
            responsible=frozenset(one["id"] for one in (node["assignee"], node["delegate"]) if one),
            priority=node["priorityLabel"],
            project=node["project"]["name"] if node["project"] else "",
            cycle=(cycle["name"] or f"{cycle['number']:g}") if cycle else "",
        )


def comment_of(node: Mapping[str, Any]) -> Comment:
    """Raises LinearAway for what is not as Linear describes it."""
    with _as_described():
        user = node["user"] or {}
        return Comment(
            id=node["id"],
            body=node["body"] or "",
            user_id=user.get("id", ""),
            name=user.get("displayName", ""),
            is_bot=not user or bool(user["app"]) or bool(node["botActor"]),
            created_at=_moment(node["createdAt"]),
            written_at=_moment(node["editedAt"] or node["createdAt"]),
            issue_id=(node["issue"] or {}).get("id", ""),
        )


def user_of(node: Mapping[str, Any]) -> User:
    """Raises LinearAway for what is not as Linear describes it."""
    with _as_described():
        return User(
            id=node["id"],
            name=node["name"],
            mail=node["email"] or "",
            active=node["active"],
            guest=node["guest"],
            app=node["app"],
            organization=node["organization"]["id"],
        )


def state_of(node: Mapping[str, Any]) -> State:
    """Raises LinearAway for what is not as Linear describes it."""
    with _as_described():
        return State(node["id"], node["name"], node["type"], node.get("position", 0))


def change_of(node: Mapping[str, Any]) -> Change:
    """Raises LinearAway for what is not as Linear describes it."""
    with _as_described():
        delegate = (node["toDelegate"] or {}).get("id", "")
        return Change(
            id=node["id"],
            at=_moment(node["createdAt"]),
            actor=node["actorId"] or "",
            state_id=node["toStateId"] or "",
            labels=frozenset(one["name"].lower() for one in node["addedLabels"] or ()),
            to=frozenset(one for one in (node["toAssigneeId"] or "", delegate) if one),
            is_text=bool(node["updatedDescription"] or node["toTitle"]),
            is_bot=bool(node["botActor"]),
        )


@contextlib.contextmanager
def _as_described() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LinearAway(f"Linear answers otherwise than it describes it ({type(error).__name__}: {error})") from error


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
