"""Hearing Slack without an address: Socket Mode, by slack_sdk's client, connected anew whenever it ends."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from activities.egress.credentials import CredentialError, read_key
from activities.policy.slack_table import SlackTable

_PING_SECONDS = 10.0
"""After four times as long without an answer the connection counts as dead."""
_AGAIN_SECONDS = 30.0
"""Between looks for a token that can't be read."""
_log = logging.getLogger("slack_bolt")


@contextlib.asynccontextmanager
async def connected(bolt: AsyncApp, table: Callable[[], SlackTable | None]) -> AsyncIterator[None]:
    """Hear Slack until the block ends. Where Slack is away, or the token is none, it is tried again and again."""
    connecting = asyncio.create_task(_connect(bolt, table))
    try:
        yield
    finally:
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting


async def _connect(bolt: AsyncApp, table: Callable[[], SlackTable | None]) -> None:
    """Until it is cancelled."""
    while True:
        try:
            found = table()
            assert found is not None and found.app_token is not None, "it is listened to by this table"
            token = read_key("Slack's Socket Mode", found.app_token)
            break
        except CredentialError as error:
            _log.error("Slack is not heard: %s", error)
            await asyncio.sleep(_AGAIN_SECONDS)
    base = found.api if found.api.endswith("/") else f"{found.api}/"
    client = AsyncWebClient(base_url=base, trust_env_in_session=True)
    handler = AsyncSocketModeHandler(bolt, token, _log, client, ping_interval=_PING_SECONDS)
    try:
        await handler.connect_async()  # type: ignore[no-untyped-call]
        await asyncio.Event().wait()
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]
