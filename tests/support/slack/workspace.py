"""What is in a workspace: people, groups, channels with their messages, views; and every call an app made."""

import itertools
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TEAM = "T0ACME"
APP = "A0JOURNEY"
BOT, BOT_ID = "U0AGENT", "B0AGENT"
BOT_TOKEN = "xoxb-the-stand-in-s"
APP_TOKEN = "xapp-the-stand-in-s"
SECRET = "signing secret of the stand-in"
SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "groups:history",
    "groups:read",
    "im:history",
    "usergroups:read",
    "users:read",
    "users:read.email",
)
"""Those of infra/slack/manifest.yaml, unless a test takes some away."""


@dataclass
class User:
    """Somebody in the workspace, or seen from it."""

    id: str
    name: str = ""
    mail: str = ""
    is_mail_confirmed: bool = True
    deleted: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    team: str = TEAM

    def told(self, *, with_mail: bool) -> dict[str, Any]:
        """As users.info has it."""
        profile = {"real_name": self.name, "display_name": self.name}
        found: dict[str, Any] = {
            "id": self.id,
            "team_id": self.team,
            "name": self.name.lower(),
            "real_name": self.name,
            "deleted": self.deleted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "profile": profile,
        }
        if not self.deleted:
            found |= {
                "is_restricted": self.is_restricted,
                "is_ultra_restricted": self.is_ultra_restricted,
                "is_email_confirmed": self.is_mail_confirmed,
            }
        if self.is_stranger:
            found["is_stranger"] = True
        if with_mail and self.mail and not self.is_bot:
            profile["email"] = self.mail
        return found


@dataclass
class Message:
    """One message as it stands."""

    ts: str
    user: str
    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str = ""
    metadata: dict[str, Any] | None = None
    bot_id: str = ""
    edits: int = 0

    def told(self, *, with_metadata: bool = False) -> dict[str, Any]:
        """As conversations.history has it."""
        found: dict[str, Any] = {"type": "message", "ts": self.ts, "user": self.user, "text": self.text}
        if self.blocks:
            found["blocks"] = self.blocks
        if self.thread_ts:
            found["thread_ts"] = self.thread_ts
        if self.bot_id:
            found |= {"bot_id": self.bot_id, "app_id": APP}
        if with_metadata and self.metadata is not None:
            found["metadata"] = self.metadata
        return found


@dataclass
class Channel:
    """A channel, or a direct message with somebody."""

    id: str
    name: str = ""
    is_private: bool = False
    is_archived: bool = False
    has_bot: bool = True
    person: str = ""
    """Of a direct message: with whom."""
    messages: list[Message] = field(default_factory=list)

    def thread(self, ts: str) -> list[Message]:
        """A message and what was answered below it."""
        return [one for one in self.messages if ts in {one.ts, one.thread_ts}]


@dataclass(frozen=True)
class Call:
    """One call of the Web API."""

    method: str
    arguments: dict[str, Any]
    answer: dict[str, Any]
    at: float


@dataclass
class Fault:
    """What is answered instead, before anything is done."""

    method: str
    error: str = ""
    retry_after: int = 0
    """Seconds; with it the answer is 429."""
    status: int = 200
    lose_answer: bool = False
    """It is done, and the connection is closed without an answer."""
    times: int = 1


@dataclass
class Workspace:
    """All of it. Whoever looks may do so from another thread."""

    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Ids of a user group's members, by its own."""
    channels: dict[str, Channel] = field(default_factory=dict)
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Modals that are open, by id."""
    homes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By person: what is published on the App's home."""
    calls: list[Call] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """What only one person was shown: who, and what; by response_url or by chat.postEphemeral."""
    responses: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By id of a response_url: who and in which channel."""
    triggers: dict[str, float] = field(default_factory=dict)
    """When each was made; it counts once, and for three seconds."""
    faults: list[Fault] = field(default_factory=list)
    scopes: tuple[str, ...] = SCOPES
    bot_token: str = BOT_TOKEN
    app_token: str = APP_TOKEN
    lock: threading.RLock = field(default_factory=threading.RLock)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def number(self) -> int:
        """One that was not given before."""
        return next(self._numbers)

    def user(self, id: str, **more: Any) -> User:
        """A person, made or made anew."""
        self.users[id] = User(id, **{"name": id.removeprefix("U").title(), **more})
        return self.users[id]

    def channel(self, id: str, **more: Any) -> Channel:
        """A channel, made or made anew."""
        self.channels[id] = Channel(id, **{"name": id.lower(), **more})
        return self.channels[id]

    def direct(self, person: str) -> Channel:
        """The direct message between the App and somebody."""
        found = next((one for one in self.channels.values() if one.person == person), None)
        return found or self.channel(f"D{self.number():06d}", name="", person=person)

    def write(self, channel: str, user: str, text: str, *, thread_ts: str = "", **more: Any) -> Message:
        """Somebody writes something; nobody is told of it."""
        with self.lock:
            ts = f"{int(time.time())}.{self.number():06d}"
            message = Message(ts, user, text, thread_ts=thread_ts, **more)
            self.channels[channel].messages.append(message)
            return message

    def trigger(self) -> str:
        """What an interaction brings along, so that a modal can be opened."""
        made = f"{self.number()}.{time.time_ns()}.{'ab12' * 8}"
        self.triggers[made] = time.monotonic()
        return made

    def of(self, method: str) -> list[Mapping[str, Any]]:
        """The arguments of every call of a method that was answered with ok, in order."""
        return [one.arguments for one in list(self.calls) if one.method == method and one.answer.get("ok")]

    def told_to(self, person: str) -> list[str]:
        """The texts that only this person was shown, in order."""
        return [str(said.get("text", "")) for who, said in list(self.told) if who == person]
