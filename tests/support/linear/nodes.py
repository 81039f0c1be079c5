"""Linear's objects as its stand-in keeps them, and how they are told."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Node = dict[str, Any]


def connection(nodes: list[Node], more: str | None = None) -> Node:
    """Of a page."""
    return {"nodes": nodes, "pageInfo": {"hasNextPage": more is not None, "endCursor": more}}


def flat(node: Mapping[str, Any]) -> Node:
    """Its plain fields."""
    return {name: value for name, value in node.items() if isinstance(value, str | int | float | bool | type(None))}


def child(issue: Mapping[str, Any]) -> Node:
    """As it is told beside something else."""
    named = {name: issue[name] for name in ("id", "identifier", "title", "url")}
    return {**named, "team": flat(issue["team"]), "teamId": issue["team"]["id"]}


def actor(user: Mapping[str, Any]) -> Node:
    """Who did it, as it is told."""
    if user["app"]:
        return {"id": user["id"], "name": user["name"], "type": "oauthClient"}
    return {"id": user["id"], "name": user["name"], "email": user["email"], "type": "user", "url": ""}


class _Clock:
    """No two of its moments are the same, so that what came first is told by them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = datetime.now(UTC)

    def now(self) -> datetime:
        with self._lock:
            self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
            return self._last


_clock = _Clock()


def stamp() -> str:
    """Now, as Linear writes it."""
    return _clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
