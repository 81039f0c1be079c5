"""What it takes to listen to one system that tells what happened: GitHub, Slack, Linear."""

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from starlette.types import ASGIApp
from temporalio.client import Client

from activities.webhooks.stored import Deliveries
from workers.gateway.assembly import Gateway
from workers.gateway.carrying import Carrier
from workers.gateway.conversations import Conversations, Elsewhere, Presenter
from workers.gateway.delivered import TasksThere
from workers.parts.shared import SharedParts


@dataclass(frozen=True)
class Inbox:
    """What all who listen have in common."""

    client: Client
    parts: SharedParts
    gateway: Gateway
    deliveries: Deliveries
    taken: Callable[[str], None]
    """Is told the digest of what was put on record, so that it begins at once; never waits."""
    tasks: TasksThere
    conversations: Conversations


@dataclass(frozen=True)
class Listener:
    """One system that is listened to."""

    source: str
    """Its name in deliveries."""
    carrier: Carrier
    address: str = ""
    """HOST:PORT where it tells what happened; empty if it is asked instead."""
    path: str = ""
    """Below which its application answers there."""
    app: ASGIApp | None = None
    presenters: Mapping[str, Presenter] = field(default_factory=dict)
    """Who shows tasks in its places, by the system that keys of places begin with."""
    elsewhere: Elsewhere | None = None
    """Finds where in this system a task is to be shown that was asked for in another."""
    running: Callable[[], AbstractAsyncContextManager[object]] = contextlib.nullcontext
    """What goes on beside it for as long as it is listened to, such as a connection of its own."""
