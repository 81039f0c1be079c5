"""Messages of ours about one task in one channel: each has a name by which it is found again, and is posted once.

The name is in the message's metadata, which only its App can set. What was posted by another bot or a person is never
taken for ours, whatever its metadata says.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.errors import SlackObjectFormationError

from activities.chat.slack.access import SlackAccess, SlackRefused
from activities.chat.slack.message import Message

EVENT = "journeyman_task"
"""`event_type` of the metadata."""
_PAGE, _MOST_PAGES = 200, 25
_BROKEN = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
"""What Slack says of a message that it can't show; the text alone it can."""
_GONE = frozenset({"message_not_found"})
_FIXED = frozenset({"cant_update_message", "edit_window_closed"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Room:
    """Where they are: a thread, or a channel."""

    channel: str
    thread: str = ""


@dataclass(frozen=True)
class Found:
    """One of them, as it is in Slack."""

    ts: str
    facts: Mapping[str, str]
    """What else its metadata says."""


class OwnMessages:
    """Finds, posts and changes them."""

    def __init__(self, access: SlackAccess) -> None:
        self._access = access

    async def find(self, room: Room, task: str, since: datetime | None = None) -> dict[str, Found]:
        """By name; of several with one name the newest. `since`: earlier ones are not looked for.

        Raises SlackRefused and SlackAway.
        """
        bot = str((await self._access.call("auth.test")).get("bot_id", ""))
        found: dict[str, Found] = {}
        for message in await self._messages(room, since):
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            name = payload.get("name")
            ours = bool(bot) and message.get("bot_id") == bot and metadata.get("event_type") == EVENT
            if ours and payload.get("task") == task and isinstance(name, str):
                one = Found(str(message["ts"]), {key: str(value) for key, value in payload.items()})
                if name not in found or float(found[name].ts) < float(one.ts):
                    found[name] = one
        return found

    async def post(self, room: Room, task: str, name: str, message: Message, facts: Mapping[str, str]) -> str:
        """Post one that is not there yet, and return its timestamp. Raises SlackRefused and SlackAway."""
        payload = {**facts, "task": task, "name": name}
        more = {
            "channel": room.channel,
            "thread_ts": room.thread or None,
            "metadata": {"event_type": EVENT, "event_payload": payload},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        answer = await self._send("chat.postMessage", message, more)
        return str(answer["ts"])

    async def change(self, room: Room, ts: str, message: Message) -> bool:
        """Show something else in one; False where it is not there any more, or can't be changed.

        Raises SlackRefused and SlackAway.
        """
        try:
            await self._send("chat.update", message, {"channel": room.channel, "ts": ts})
        except SlackRefused as refused:
            if refused.code in _GONE | _FIXED:
                return False
            raise
        return True

    async def _send(self, method: str, message: Message, more: Mapping[str, Any]) -> Mapping[str, Any]:
        """What can't be shown as it is meant is shown as its text: less is better than what is old, or nothing."""
        more = {**more, "text": message.text, "parse": "none", "link_names": False}
        try:
            return await self._access.call(method, blocks=message.as_json(), **more)
        except SlackObjectFormationError as error:
            _log.error("a message for Slack is broken, and its text alone is shown: %s", error)
        except SlackRefused as refused:
            if refused.code not in _BROKEN:
                raise
            _log.error("Slack does not show a message (%s), and its text alone is shown", refused.code)
        return await self._access.call(method, blocks=[], **more)

    async def _messages(self, room: Room, since: datetime | None) -> Iterable[Mapping[str, Any]]:
        method, where = ("conversations.replies", {"ts": room.thread}) if room.thread else ("conversations.history", {})
        oldest = f"{since.timestamp():.6f}" if since is not None else None
        cursor, found = None, []
        for _ in range(_MOST_PAGES):
            page = await self._access.call(
                method,
                channel=room.channel,
                include_all_metadata=True,
                limit=_PAGE,
                cursor=cursor,
                oldest=oldest,
                **where,
            )
            found += page.get("messages", [])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                break
        return found
