"""Asking Slack: one way in for every call, with the token that counts now and one translation of what goes wrong."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from activities.egress.credentials import CredentialError, read_key
from activities.policy.agent_tables import KeySource
from activities.policy.slack_table import SlackTable

_SECONDS = 15
"""For one request; whether to try again is the caller's matter."""
_LATER = frozenset(
    {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
"""What Slack answers while something is wrong with Slack."""
_UNTIL_MENDED = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
"""Of tokens: nothing works until the platform's owner writes another."""


class SlackRefused(Exception):
    """Slack says no, and will again; the message is for people."""

    def __init__(self, method: str, code: str) -> None:
        super().__init__(f"Slack refuses {method}: {code}")
        self.code = code
        """As Slack's documentation of the method lists it, such as `channel_not_found`."""


class SlackAway(ConnectionError):
    """It may work later; the message is for people."""

    def __init__(self, message: str, again_in: timedelta | None = None) -> None:
        """`again_in`: as Slack itself says."""
        super().__init__(message)
        self.again_in = again_in


class SlackAccess:
    """The workspace, as the platform's file says now."""

    def __init__(self, table: Callable[[], SlackTable | None]) -> None:
        self._table = table
        self._printed: dict[KeySource, tuple[float, str]] = {}
        """Keys that commands printed, and until when each may be used."""

    async def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """Call a method of the Web API, such as `chat.postMessage`; what is None is left out.

        Raises SlackRefused or SlackAway.
        """
        answer = await self._ask(method, self._table_now().bot_token, arguments)
        found: Mapping[str, Any] = answer.data  # type: ignore[assignment]
        return found

    async def granted(self) -> tuple[Mapping[str, Any], frozenset[str]]:
        """Whose token it is, and its scopes. Raises SlackRefused or SlackAway."""
        answer = await self._ask("auth.test", self._table_now().bot_token, {})
        headers = {name.lower(): value for name, value in answer.headers.items()}
        scopes = str(headers.get("x-oauth-scopes", "")).split(",")
        found: Mapping[str, Any] = answer.data  # type: ignore[assignment]
        return found, frozenset(filter(None, (one.strip() for one in scopes)))

    async def try_connecting(self) -> None:
        """Ask for a connection of Socket Mode, and leave it. Raises SlackRefused or SlackAway."""
        token = self._table_now().app_token
        if token is None:
            raise SlackAway("[slack] has no `app_token`")
        await self._ask("apps.connections.open", token, {})

    async def _ask(self, method: str, token: KeySource, arguments: Mapping[str, Any]) -> AsyncSlackResponse:
        # Why there is no token is said in its own words.
        client = await self._client(token)
        try:
            return await client.api_call(method, data=_form(arguments))
        except SlackApiError as error:
            raise _translated(method, error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SlackAway(f"Slack does not answer {method} ({type(error).__name__})") from error
        except SlackClientError as error:
            raise SlackAway(f"Slack can't be asked for {method}: {str(error)[:200]}") from error

    def _table_now(self) -> SlackTable:
        table = self._table()
        if table is None:
            raise SlackAway("there is no [slack] in journeyman.toml")
        return table

    async def _client(self, source: KeySource) -> AsyncWebClient:
        table = self._table_now()
        try:
            token = await self._key(source)
        except CredentialError as error:
            raise SlackAway(str(error)) from error
        base = table.api if table.api.endswith("/") else f"{table.api}/"
        # Tried again by whoever asks: what is tried here unseen could be done twice.
        return AsyncWebClient(token, base_url=base, timeout=_SECONDS, retry_handlers=[], trust_env_in_session=True)

    async def _key(self, source: KeySource) -> str:
        """What a command prints is kept for as long as it may be, and waited for without holding others up."""
        if not source.command:
            return read_key("Slack", source)
        until, key = self._printed.get(source, (0.0, ""))
        if time.monotonic() >= until:
            key = await asyncio.to_thread(read_key, "Slack", source)
            self._printed[source] = (time.monotonic() + source.seconds, key)
        return key


def _form(arguments: Mapping[str, Any]) -> dict[str, str]:
    """As a form, which every method takes; what has parts is JSON within it."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}


def _translated(method: str, error: SlackApiError) -> Exception:
    response = error.response
    code = str(response.get("error", "")) if hasattr(response, "get") else ""
    status = getattr(response, "status_code", 0)
    after = getattr(response, "headers", {}).get("Retry-After", "")
    if status == 429 or code in _LATER or status >= 500:
        pause = timedelta(seconds=min(int(after), 3600)) if str(after).isdecimal() else None
        return SlackAway(f"Slack can't do {method} now ({code or status})", pause)
    if code in _UNTIL_MENDED:
        token = "app_token" if method == "apps.connections.open" else "bot_token"
        return SlackAway(f"Slack does not take the token ({code}): write another where slack.{token} says")
    return SlackRefused(method, code or str(status))
