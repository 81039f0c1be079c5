"""What people do in Slack, as Slack tells an app of it: signed over HTTP, or over Socket Mode."""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.support.plain_http import NO_TLS
from tests.support.slack.server import Slack
from tests.support.slack.workspace import APP, BOT, SECRET, TEAM


def signed(body: bytes, secret: str = SECRET, at: float = 0) -> dict[str, str]:
    """The headers with which Slack says that a body is its own."""
    timestamp = str(int(at or time.time()))
    made = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={made}"}


@dataclass(frozen=True)
class Sent:
    """What was told, and how the app acknowledged it."""

    status: int
    body: str
    seconds: float
    payload: dict[str, Any]

    @property
    def told(self) -> Any:
        """What the acknowledgement says, if it says something."""
        return json.loads(self.body) if self.body.startswith(("{", "[")) else self.body


class People:
    """People of a workspace, whose deeds an app hears at an address or, if there is none, over Socket Mode."""

    def __init__(self, slack: Slack, url: str = "", secret: str = SECRET) -> None:
        self.slack = slack
        self.url = url
        self.secret = secret

    async def command(self, user: str, text: str, channel: str = "C0SHOP", **more: Any) -> Sent:
        """`/agent TEXT`."""
        return await self.send("slash_commands", self.a_command(user, text, channel) | more)

    async def mention(self, user: str, text: str, channel: str = "C0SHOP", **more: Any) -> Sent:
        """`@agent TEXT`, which is in the channel, too."""
        return await self.say(user, f"<@{BOT}> {text}", channel, kind="app_mention", **more)

    async def say(
        self, user: str, text: str, channel: str = "C0SHOP", *, thread_ts: str = "", kind: str = "message", **more: Any
    ) -> Sent:
        """Something that is written in a channel."""
        message = self.slack.write(channel, user, text, thread_ts=thread_ts)
        event = {"type": kind, "user": user, "text": text, "ts": message.ts, "event_ts": message.ts, "channel": channel}
        if thread_ts:
            event["thread_ts"] = thread_ts
        return await self.send("events_api", self.an_event({**event, "channel_type": "channel", **more}))

    async def press(
        self, user: str, action: str, value: str, channel: str = "C0SHOP", ts: str = "", **more: Any
    ) -> Sent:
        """A button below a message."""
        pressed = {"type": "button", "action_id": action, "block_id": "b", "value": value}
        container = {"type": "message", "message_ts": ts or "1.000001", "channel_id": channel, "is_ephemeral": False}
        return await self.send("interactive", self.an_action(user, pressed, channel) | {"container": container} | more)

    async def press_at_home(self, user: str, action: str, value: str) -> Sent:
        """A button on the App's home: of no message, in no channel, and without a response_url."""
        pressed = {"type": "button", "action_id": action, "block_id": "b", "value": value}
        payload = self.an_action(user, pressed)
        told = {name: value for name, value in payload.items() if name not in {"channel", "response_url"}}
        view = {"id": "V0HOME", "type": "home", "private_metadata": "", "callback_id": ""}
        return await self.send("interactive", told | {"container": {"type": "view", "view_id": "V0HOME"}, "view": view})

    async def submit(self, user: str, view: dict[str, Any], values: dict[tuple[str, str], Any]) -> Sent:
        """A modal that is filled in: by block and action, what was put there."""
        state = {"values": {block: {action: given} for (block, action), given in values.items()}}
        payload = {"type": "view_submission", **self._whose(user), "trigger_id": self.slack.trigger()}
        return await self.send("interactive", {**payload, "view": {**view, "state": state}, "response_urls": []})

    async def search(self, user: str, action: str, typed: str, view: dict[str, Any] | None = None) -> Sent:
        """What is typed into a select whose options the app knows."""
        payload = {"type": "block_suggestion", **self._whose(user), "action_id": action, "block_id": "b"}
        more = {"value": typed, "container": {"type": "view"}, "view": view or {}}
        return await self.send("interactive", payload | more)

    async def shortcut(self, user: str, callback: str, message: dict[str, Any], channel: str = "C0SHOP") -> Sent:
        """A shortcut in the menu of a message."""
        payload = {"type": "message_action", "callback_id": callback, **self._whose(user), "message": message}
        where = {"channel": {"id": channel, "name": channel.lower()}, "message_ts": message["ts"]}
        how = {"trigger_id": self.slack.trigger(), "response_url": self.slack.response_url(user, channel)}
        return await self.send("interactive", payload | where | how)

    async def send(self, kind: str, payload: dict[str, Any], **headers: str) -> Sent:
        """Tell the app. `kind`: `slash_commands`, `interactive` or `events_api`, as Socket Mode names them."""
        if not self.url:
            began = time.monotonic()
            told = await self.slack.push(kind, payload)
            return Sent(200, json.dumps(told) if told else "", time.monotonic() - began, payload)
        body = self.body(kind, payload)
        kind_of_body = "application/json" if kind == "events_api" else "application/x-www-form-urlencoded"
        usual = {"content-type": kind_of_body, **signed(body, self.secret)}
        async with httpx.AsyncClient(trust_env=False, timeout=30, verify=NO_TLS) as client:
            began = time.monotonic()
            found = await client.post(self.url, content=body, headers=usual | headers)
        return Sent(found.status_code, found.text, time.monotonic() - began, payload)

    @staticmethod
    def body(kind: str, payload: dict[str, Any]) -> bytes:
        """As it goes over HTTP."""
        if kind == "events_api":
            return json.dumps(payload).encode()
        return urlencode(payload if kind == "slash_commands" else {"payload": json.dumps(payload)}).encode()

    def a_command(self, user: str, text: str, channel: str = "C0SHOP") -> dict[str, Any]:
        """What Slack tells of `/agent TEXT`."""
        who = {"team_id": TEAM, "team_domain": "acme", "user_id": user, "user_name": user.lower(), "api_app_id": APP}
        where = {"channel_id": channel, "channel_name": channel.lower(), "command": "/agent", "text": text}
        how = {"response_url": self.slack.response_url(user, channel), "trigger_id": self.slack.trigger()}
        return {"token": "deprecated", **who, **where, **how, "is_enterprise_install": "false"}

    def an_event(self, event: dict[str, Any], id: str = "") -> dict[str, Any]:
        """What Slack tells of an event."""
        whose = {"team_id": TEAM, "user_id": BOT, "is_bot": True, "is_enterprise_install": False}
        facts = {"token": "deprecated", "team_id": TEAM, "api_app_id": APP, "type": "event_callback"}
        once = {"event_id": id or f"Ev{self.slack.number():08d}", "event_time": int(time.time())}
        return {**facts, **once, "event": event, "authorizations": [whose], "is_ext_shared_channel": False}

    def an_action(self, user: str, action: dict[str, Any], channel: str = "C0SHOP") -> dict[str, Any]:
        """What Slack tells of something that was pressed or chosen."""
        action = {**action, "action_ts": f"{time.time():.6f}"}
        how = {"trigger_id": self.slack.trigger(), "response_url": self.slack.response_url(user, channel)}
        where = {"channel": {"id": channel, "name": channel.lower()}}
        return {"type": "block_actions", **self._whose(user), **where, **how, "actions": [action]}

    def _whose(self, user: str) -> dict[str, Any]:
        known = {"id": user, "username": user.lower(), "name": user.lower(), "team_id": TEAM}
        return {"user": known, "team": {"id": TEAM, "domain": "acme"}, "api_app_id": APP, "token": "deprecated"}
