"""Asking Linear: one way in for every document, with the token that counts now and one translation of what goes wrong.

https://linear.app/developers/graphql, https://linear.app/developers/rate-limiting
"""

import asyncio
import functools
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError, TransportQueryError, TransportServerError
from gql.transport.httpx import HTTPXAsyncTransport

from activities.agents.plain_text import plain
from activities.egress.credentials import CredentialError, read_key
from activities.policy.linear_table import LinearTable
from activities.tracker.linear.failed import LinearAway, LinearRefused

_SECONDS = 15
"""For one request; whether to try again is the caller's matter."""
_SAID = 300
_LONGEST_WAIT = timedelta(hours=1)
_PAGE = 50
_PERSONAL = "lin_api_"
_LIMITED = "RATELIMITED"
_LATER = frozenset({"INTERNAL_SERVER_ERROR", "LOCK_TIMEOUT", "BOOTSTRAP_ERROR", "NETWORK_ERROR"})
"""What Linear answers while something is wrong with Linear."""
_UNTIL_MENDED = frozenset({"AUTHENTICATION_ERROR", "UNAUTHENTICATED"})
"""Of tokens: nothing works until the platform's owner writes another."""
_UNAUTHORIZED, _TOO_MANY, _SERVER_ERROR, _TIMED_OUT = 401, 429, 500, 408


class LinearAccess:
    """The workspace, as the platform's file says now."""

    def __init__(self, table: Callable[[], LinearTable | None]) -> None:
        self._table = table

    async def ask(self, document: str, **variables: Any) -> Mapping[str, Any]:
        """Execute one of documents.py. Raises LinearRefused or LinearAway."""
        request = GraphQLRequest(document, variable_values=variables)
        operation = _name(request)
        transport = await self._transport()
        try:
            async with Client(transport=transport, execute_timeout=_SECONDS) as session:
                answer: Mapping[str, Any] = await session.execute(request)
        except TransportQueryError as error:
            raise _of_errors(operation, error.errors or [], transport.response_headers) from None
        except TransportServerError as error:
            raise _of_status(operation, error.code or 0, transport.response_headers) from None
        except (TransportError, TimeoutError, OSError, httpx.HTTPError) as error:
            # What was asked for may have been done; whoever asks again finds out first.
            raise LinearAway(f"Linear does not answer {operation} ({type(error).__name__})") from None
        except ValueError as error:
            raise LinearAway(f"Linear answers {operation} with what is no GraphQL ({type(error).__name__})") from None
        return answer

    async def pages(self, document: str, most: int, **variables: Any) -> AsyncIterator[Mapping[str, Any]]:
        """The nodes of a document's one connection, page by page, at most so many. Raises as `ask` does."""
        given, after = 0, None
        while given < most:
            answer = await self.ask(document, first=min(_PAGE, most - given), after=after, **variables)
            (connection,) = answer.values()
            for node in connection["nodes"][: most - given]:
                given += 1
                yield node
            page = connection["pageInfo"]
            # A cursor that does not move would be asked for without end.
            if not page["hasNextPage"] or page["endCursor"] in (None, after):
                return
            after = page["endCursor"]

    async def _transport(self) -> HTTPXAsyncTransport:
        table = self._table()
        if table is None:
            raise LinearAway("there is no [linear] in journeyman.toml")
        try:
            # A command that prints it may take seconds.
            token = await asyncio.to_thread(read_key, "Linear", table.token)
        except CredentialError as error:
            raise LinearAway(str(error)) from error
        # Keys of persons are sent as they are, tokens of Apps as bearers.
        whose = token if token.startswith(_PERSONAL) else f"Bearer {token}"
        return HTTPXAsyncTransport(
            url=table.api, headers={"Authorization": whose}, timeout=_SECONDS, verify=_authorities()
        )


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Read once, by `SSL_CERT_FILE` if it is set: that takes longer than most requests, and nothing else goes on."""
    return ssl.create_default_context()


def _name(request: GraphQLRequest) -> str:
    """The operation's name, for people."""
    for definition in request.document.definitions:
        name = getattr(definition, "name", None)
        if definition.kind == "operation_definition" and name is not None:
            return str(name.value)
    return "a document"


def _of_errors(operation: str, errors: list[Any], headers: Mapping[str, str] | None) -> Exception:
    """Of an answer with errors, whatever its status is: the first one says why."""
    first = errors[0] if errors and isinstance(errors[0], dict) else {}
    extensions = first.get("extensions") if isinstance(first.get("extensions"), dict) else {}
    assert extensions is not None, "it is a table, or was replaced by one"
    code, status = str(extensions.get("code", "")), extensions.get("statusCode", extensions.get("http", 0))
    said = plain(" ".join(str(extensions.get("userPresentableMessage") or first.get("message") or code).split()), _SAID)
    if code == _LIMITED:
        return _limited(operation, headers)
    if code in _UNTIL_MENDED or status == _UNAUTHORIZED:
        return _no_token(said)
    if code in _LATER or (isinstance(status, int) and status >= _SERVER_ERROR):
        return LinearAway(f"Linear can't do {operation} now: {said}")
    return LinearRefused(operation, said, code)


def _of_status(operation: str, status: int, headers: Mapping[str, str] | None) -> Exception:
    """Of an answer that is no GraphQL."""
    if status == _TOO_MANY:
        return _limited(operation, headers)
    if status == _UNAUTHORIZED:
        return _no_token("401")
    if status >= _SERVER_ERROR or status == _TIMED_OUT:
        return LinearAway(f"Linear failed at {operation} with status {status}", _retry_after(headers))
    return LinearRefused(operation, f"status {status}", str(status))


def _no_token(said: str) -> LinearAway:
    return LinearAway(f"Linear does not take the token ({said}): write another where linear.token says")


def _limited(operation: str, headers: Mapping[str, str] | None) -> LinearAway:
    pause = _retry_after(headers) or _until_reset(headers)
    told = f" for {pause.total_seconds():.0f} s more" if pause is not None else ""
    return LinearAway(f"Linear's limit on requests is reached{told}: {operation} waits", pause)


def _retry_after(headers: Mapping[str, str] | None) -> timedelta | None:
    after = (headers or {}).get("retry-after", "")
    return min(timedelta(seconds=int(after[:9])), _LONGEST_WAIT) if after.isdecimal() else None


def _until_reset(headers: Mapping[str, str] | None) -> timedelta | None:
    """The latest of the limits that are used up, each in milliseconds since 1970."""
    found = headers or {}
    waits = []
    for kind in ("requests", "complexity", "endpoint-requests"):
        reset, left = found.get(f"x-ratelimit-{kind}-reset", ""), found.get(f"x-ratelimit-{kind}-remaining", "0")
        if reset.isdecimal() and left in {"", "0"}:
            waits.append(int(reset[:15]) / 1000 - time.time())
    return min(timedelta(seconds=max(1.0, *waits)), _LONGEST_WAIT) if waits else None
