"""Answers of the Web API, by method; what a token may, by docs.slack.dev's page of each method."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk.errors import SlackObjectFormationError

from tests.support.slack.shown import refuse_unshowable
from tests.support.slack.workspace import BOT, BOT_ID, TEAM, Channel, Message, Workspace

Arguments = dict[str, Any]
Answer = dict[str, Any]
_TRIGGER_SECONDS = 3.0
_MOST_TEXT = 40_000


class Refusal(Exception):
    """Answered with ok: false."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **more}


def answer(at: Workspace, method: str, arguments: Arguments) -> Answer:
    """What Slack answers. Raises Refusal."""
    if method not in METHODS:
        raise Refusal("unknown_method")
    needed, act = METHODS[method]
    if needed and not any(scope in at.scopes for scope in needed):
        raise Refusal("missing_scope", needed=",".join(needed), provided=",".join(at.scopes))
    with at.lock:
        return {"ok": True, **act(at, arguments)}


def _auth_test(at: Workspace, asked: Arguments) -> Answer:
    return {"url": "https://acme.slack.com/", "team": "Acme", "user": "agent", "team_id": TEAM, "user_id": BOT} | {
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def _post(at: Workspace, asked: Arguments) -> Answer:
    channel = _writable(at, asked)
    text = str(asked.get("text", ""))
    blocks = asked.get("blocks") or []
    _refuse_unsayable(text, blocks)
    thread = str(asked.get("thread_ts", ""))
    if thread and not channel.thread(thread):
        raise Refusal("thread_not_found")
    metadata = asked.get("metadata")
    if metadata is not None and not (metadata.get("event_type") and isinstance(metadata.get("event_payload"), dict)):
        raise Refusal("invalid_metadata_format")
    more: dict[str, Any] = {"blocks": blocks, "metadata": metadata, "bot_id": BOT_ID}
    message = at.write(channel.id, BOT, text, thread_ts=thread, **more)
    return {"channel": channel.id, "ts": message.ts, "message": message.told(with_metadata=True)}


def _update(at: Workspace, asked: Arguments) -> Answer:
    message = _own(at, asked)
    _refuse_unsayable(str(asked.get("text", "")), asked.get("blocks") or [])
    message.text = str(asked.get("text", message.text))
    if "blocks" in asked:
        message.blocks = asked["blocks"] or []
    message.metadata = asked.get("metadata", message.metadata)
    message.edits += 1
    return {"channel": asked["channel"], "ts": message.ts, "text": message.text, "message": message.told()}


def _delete(at: Workspace, asked: Arguments) -> Answer:
    message = _own(at, asked)
    at.channels[str(asked["channel"])].messages.remove(message)
    return {"channel": asked["channel"], "ts": message.ts}


def _post_ephemeral(at: Workspace, asked: Arguments) -> Answer:
    channel = _writable(at, asked)
    person = str(asked.get("user", ""))
    if person not in at.users:
        raise Refusal("user_not_in_channel")
    _refuse_unsayable(str(asked.get("text", "")), asked.get("blocks") or [])
    at.told.append((person, {**asked, "channel": channel.id}))
    return {"message_ts": f"{int(time.time())}.{at.number():06d}"}


def _permalink(at: Workspace, asked: Arguments) -> Answer:
    channel = _readable(at, asked)
    ts = str(asked.get("message_ts", ""))
    if not any(one.ts == ts for one in channel.messages):
        raise Refusal("message_not_found")
    return {"channel": channel.id, "permalink": f"https://acme.slack.com/archives/{channel.id}/p{ts.replace('.', '')}"}


def _history(at: Workspace, asked: Arguments) -> Answer:
    channel = _history_readable(at, asked)
    oldest, latest = float(asked.get("oldest") or 0), float(asked.get("latest") or "inf")
    shown = bool(asked.get("include_all_metadata") or False)
    top = [one for one in channel.messages if not one.thread_ts or one.thread_ts == one.ts]
    found = [one for one in top if oldest < float(one.ts) < latest]
    return _page([one.told(with_metadata=shown) for one in reversed(found)], asked, "messages")


def _replies(at: Workspace, asked: Arguments) -> Answer:
    channel = _history_readable(at, asked)
    found = channel.thread(str(asked.get("ts", "")))
    if not found:
        raise Refusal("thread_not_found")
    shown = bool(asked.get("include_all_metadata") or False)
    oldest = float(asked.get("oldest") or 0)
    wanted = [one for one in found if float(one.ts) > oldest or one is found[0]]
    return _page([one.told(with_metadata=shown) for one in wanted], asked, "messages")


def _history_readable(at: Workspace, asked: Arguments) -> Channel:
    channel = _readable(at, asked)
    kind = "im" if channel.id.startswith("D") else "groups" if channel.is_private else "channels"
    if f"{kind}:history" not in at.scopes:
        raise Refusal("missing_scope", needed=f"{kind}:history", provided=",".join(at.scopes))
    return channel


def _channel_info(at: Workspace, asked: Arguments) -> Answer:
    channel = _known(at, asked)
    facts = {"id": channel.id, "name": channel.name, "is_private": channel.is_private}
    return {"channel": {**facts, "is_archived": channel.is_archived, "is_member": channel.has_bot}}


def _user_info(at: Workspace, asked: Arguments) -> Answer:
    user = at.users.get(str(asked.get("user", "")))
    if user is None:
        raise Refusal("user_not_found")
    return {"user": user.told(with_mail="users:read.email" in at.scopes)}


def _open_direct(at: Workspace, asked: Arguments) -> Answer:
    person = str(asked.get("users", ""))
    if person not in at.users:
        raise Refusal("user_not_found")
    return {"channel": {"id": at.direct(person).id}}


def _group_users(at: Workspace, asked: Arguments) -> Answer:
    if asked.get("usergroup") not in at.groups:
        raise Refusal("no_such_subteam")
    return {"users": at.groups[str(asked["usergroup"])]}


def _open_view(at: Workspace, asked: Arguments) -> Answer:
    made = at.triggers.pop(str(asked.get("trigger_id", "")), None)
    if made is None:
        raise Refusal("invalid_trigger_id")
    if time.monotonic() - made > _TRIGGER_SECONDS:
        raise Refusal("expired_trigger_id")
    return _view(at, asked, f"V{at.number():06d}")


def _update_view(at: Workspace, asked: Arguments) -> Answer:
    if asked.get("view_id") not in at.views:
        raise Refusal("not_found")
    if asked.get("hash") and asked["hash"] != at.views[str(asked["view_id"])]["hash"]:
        raise Refusal("hash_conflict")
    return _view(at, asked, str(asked["view_id"]))


def _publish(at: Workspace, asked: Arguments) -> Answer:
    if asked.get("user_id") not in at.users:
        raise Refusal("user_not_found")
    _refuse_view(asked)
    at.homes[str(asked["user_id"])] = asked["view"]
    return {"view": {**asked["view"], "id": f"V{at.number():06d}"}}


def _connection(at: Workspace, asked: Arguments) -> Answer:
    # The server fills in its own address.
    return {"url": ""}


def _view(at: Workspace, asked: Arguments, id: str) -> Answer:
    _refuse_view(asked)
    at.views[id] = {**asked["view"], "id": id, "hash": f"{time.time_ns()}.{at.number()}", "team_id": TEAM}
    return {"view": at.views[id]}


def _refuse_view(asked: Arguments) -> None:
    view = asked.get("view")
    if not isinstance(view, dict):
        raise Refusal("invalid_arguments")
    try:
        refuse_unshowable(view.get("blocks") or [], view)
    except (SlackObjectFormationError, ValueError) as error:
        raise Refusal("invalid_arguments", response_metadata={"messages": [str(error)]}) from error


def _refuse_unsayable(text: str, blocks: list[dict[str, Any]]) -> None:
    if not text and not blocks:
        raise Refusal("no_text")
    if len(text) > _MOST_TEXT:
        raise Refusal("msg_too_long")
    try:
        refuse_unshowable(blocks)
    except (SlackObjectFormationError, ValueError) as error:
        raise Refusal("invalid_blocks", response_metadata={"messages": [str(error)]}) from error


def _known(at: Workspace, asked: Arguments) -> Channel:
    name = str(asked.get("channel", ""))
    channel = at.direct(name) if name in at.users else at.channels.get(name)
    if channel is None or (channel.is_private and not channel.has_bot):
        raise Refusal("channel_not_found")
    return channel


def _readable(at: Workspace, asked: Arguments) -> Channel:
    channel = _known(at, asked)
    if not channel.has_bot:
        raise Refusal("not_in_channel")
    return channel


def _writable(at: Workspace, asked: Arguments) -> Channel:
    channel = _readable(at, asked)
    if channel.is_archived:
        raise Refusal("is_archived")
    return channel


def _own(at: Workspace, asked: Arguments) -> Message:
    channel = _readable(at, asked)
    message = next((one for one in channel.messages if one.ts == asked.get("ts")), None)
    if message is None:
        raise Refusal("message_not_found")
    if message.bot_id != BOT_ID:
        raise Refusal("cant_update_message")
    return message


def _page(found: list[dict[str, Any]], asked: Arguments, name: str) -> Answer:
    begin, most = int(asked.get("cursor") or 0), int(asked.get("limit") or 100)
    rest = begin + most < len(found)
    cursor = str(begin + most) if rest else ""
    return {name: found[begin : begin + most], "has_more": rest, "response_metadata": {"next_cursor": cursor}}


_READ = ("channels:history", "groups:history", "im:history", "mpim:history")
_LOOK = ("channels:read", "groups:read", "im:read", "mpim:read")
METHODS: Mapping[str, tuple[tuple[str, ...], Callable[[Workspace, Arguments], Answer]]] = {
    "auth.test": ((), _auth_test),
    "apps.connections.open": ((), _connection),
    "chat.postMessage": (("chat:write",), _post),
    "chat.update": (("chat:write",), _update),
    "chat.delete": (("chat:write",), _delete),
    "chat.postEphemeral": (("chat:write",), _post_ephemeral),
    "chat.getPermalink": ((), _permalink),
    "conversations.history": (_READ, _history),
    "conversations.replies": (_READ, _replies),
    "conversations.info": (_LOOK, _channel_info),
    "conversations.open": (("im:write",), _open_direct),
    "users.info": (("users:read",), _user_info),
    "usergroups.users.list": (("usergroups:read",), _group_users),
    "views.open": ((), _open_view),
    "views.update": ((), _update_view),
    "views.publish": ((), _publish),
}
"""By name: the scopes of which one is needed, and what answers."""
