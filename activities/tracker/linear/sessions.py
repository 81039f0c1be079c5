"""Sessions of the App's with people: what it does is shown there as activities, each once.

https://linear.app/developers/agent-interaction
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.failed import LinearRefused
from activities.tracker.linear.marks import mark_id

_LONGEST = 60_000
_STOP = "stop"


@dataclass(frozen=True)
class SaidInSession:
    """What somebody said in a session, in Linear's own words."""

    by: str
    """Id of the user."""
    issue_id: str
    body: str
    stop: bool = False


class LinearSessions:
    """Reads and writes there as the App's actor. Every method raises LinearRefused or LinearAway."""

    def __init__(self, access: LinearAccess, actor: LinearActor) -> None:
        self._access = access
        self._actor = actor

    async def beginning(self, session_id: str) -> SaidInSession | None:
        """Who began a session, and with which comment; None if it is another App's."""
        found = (await self._access.ask(documents.SESSION, id=session_id))["agentSession"]
        if found["appUser"]["id"] != (await self._actor.me()).id:
            return None
        by, comment = (found["creator"] or {}).get("id", ""), found["comment"] or {}
        body = comment["body"] if comment and (comment["user"] or {}).get("id") == by else ""
        return SaidInSession(by, (found["issue"] or {}).get("id", ""), body)

    async def said(self, session_id: str, activity_id: str) -> SaidInSession | None:
        """One thing that was said; None if it was said in another session."""
        found = (await self._access.ask(documents.PROMPT, id=activity_id))["agentActivity"]
        session = found["agentSession"]
        if session["id"] != session_id:
            return None
        issue, body = (session["issue"] or {}).get("id", ""), found["content"].get("body", "")
        return SaidInSession(found["user"]["id"], issue, body, found["signal"] == _STOP)

    async def say(self, session_id: str, kind: str, text: str, *mark: str, choices: Sequence[str] = ()) -> None:
        """One activity for each mark: a `thought`, an `elicitation`, a `response` or an `error`.

        `choices`: what can be answered, of an elicitation.
        """
        more: dict[str, Any] = {}
        if choices:
            more = {"signal": "select", "signalMetadata": {"options": [{"value": one} for one in choices]}}
        await self._write(session_id, {"type": kind, "body": text[:_LONGEST]}, mark, **more)

    async def act(self, session_id: str, action: str, parameter: str, *mark: str) -> None:
        """Show what is being done."""
        await self._write(session_id, {"type": "action", "action": action, "parameter": parameter}, mark)

    async def link(self, session_id: str, label: str, url: str) -> None:
        """Show an address beside the session; the same one again changes nothing."""
        await self._access.ask(documents.LINKS, id=session_id, urls=[{"label": label, "url": url}])

    async def _write(self, session_id: str, content: dict[str, str], mark: Sequence[str], **more: Any) -> None:
        activity = mark_id(session_id, *mark)
        if await self._is_there(activity):
            return
        given = {"id": activity, "agentSessionId": session_id, "content": content, **more}
        try:
            await self._access.ask(documents.ACTIVITY, input=given)
        except LinearRefused:
            # The answer to an earlier try was lost, or two tried at once.
            if not await self._is_there(activity):
                raise

    async def _is_there(self, activity_id: str) -> bool:
        answer = await self._access.ask(documents.ACTIVITIES, filter={"id": {"eq": activity_id}})
        nodes = answer["agentActivities"]["nodes"]
        return bool(nodes) and nodes[0]["user"]["id"] == (await self._actor.me()).id
