"""What goes wrong between a caller and GitHub, when a test says so."""

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol


class Trouble(StrEnum):
    """One kind of it."""

    DROPPED = "the connection is closed before anything is done"
    LOST_ANSWER = "it is done, and the connection is closed without an answer"
    BAD_GATEWAY = "502 before anything is done"
    BAD_GATEWAY_AFTER = "it is done, and answered by 502"
    SERVER_ERROR = "500 before anything is done"
    SLOW = "it is done after some seconds"
    PRIMARY_LIMIT = "no requests are left this hour"
    SECONDARY_LIMIT = "too many requests at a time"
    REFUSED = "it is refused, by a status and words that the test gives"
    GARBAGE = "it is done, and answered by what is no JSON"


@dataclass
class Fault:
    """Trouble with one operation or with all."""

    trouble: Trouble
    operation: str = ""
    """As in `POST /repos/{owner}/{repo}/pulls`, `POST /graphql`, `git-receive-pack`; empty is every one."""
    times: int | None = 1
    """How often; None is always."""
    after: int = 0
    """How many requests pass first."""
    seconds: int = 1
    """How long SLOW takes, or until a limit ends."""
    status: int = 403
    """Of a limit, 403 or 429, or of what is REFUSED."""
    words: str = ""
    """Of what is REFUSED."""


@dataclass
class Faults:
    """The faults that are to come, in the order in which they were added."""

    coming: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, operation: str) -> Fault | None:
        """The fault that a request meets."""
        with self.lock:
            for fault in self.coming:
                if fault.operation not in ("", operation):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self.coming.remove(fault)
                return fault
        return None


class Connections:
    """The connections that are open, so that one can be closed under a caller's feet."""

    def __init__(self) -> None:
        self._open: dict[Any, asyncio.Transport] = {}
        opened = self._open

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                opened[transport.get_extra_info("peername")] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                opened.pop(self.transport.get_extra_info("peername"), None)
                super().connection_lost(exc)

        self.protocol: type[H11Protocol] = Protocol

    def close(self, request: Request) -> None:
        assert request.client is not None
        self._open[tuple(request.client)].abort()


_REQUEST_IDS = itertools.count(1)
LIMIT = 5000
"""Requests an hour, for an installation on a small organization."""


def usual_headers() -> dict[str, str]:
    """What every answer of the API carries."""
    return {
        "X-GitHub-Request-Id": f"STAND:IN:{next(_REQUEST_IDS):X}",
        "X-RateLimit-Limit": str(LIMIT),
        "X-RateLimit-Remaining": str(LIMIT - 1),
        "X-RateLimit-Used": "1",
        "X-RateLimit-Reset": str(int(time.time()) + 3600),
        "X-RateLimit-Resource": "core",
    }


async def troubled(
    faults: Faults,
    connections: Connections,
    operation: str,
    request: Request,
    act: Callable[[], Awaitable[Response]],
) -> Response:
    """Do what was asked for, unless or although a fault comes between."""
    fault = faults.take(operation)
    if fault is None:
        return await act()
    match fault.trouble:
        case Trouble.SLOW:
            await asyncio.sleep(fault.seconds)
            return await act()
        case Trouble.DROPPED | Trouble.LOST_ANSWER:
            if fault.trouble is Trouble.LOST_ANSWER:
                await act()
            connections.close(request)
            return Response()
        case Trouble.BAD_GATEWAY | Trouble.BAD_GATEWAY_AFTER:
            if fault.trouble is Trouble.BAD_GATEWAY_AFTER:
                await act()
            return Response("<html><h1>Whoa there! Unicorn!</h1></html>", 502, media_type="text/html")
        case Trouble.SERVER_ERROR:
            return JSONResponse({"message": "Server Error"}, 500, usual_headers())
        case Trouble.REFUSED:
            return JSONResponse({"message": fault.words}, fault.status, usual_headers())
        case Trouble.GARBAGE:
            await act()
            return Response(b'{"id": \xff\x00\x1b[2J', 200, usual_headers(), "application/json; charset=utf-8")
        case Trouble.PRIMARY_LIMIT:
            words = "API rate limit exceeded for installation ID 1001. If you reach out to GitHub Support for help, ..."
            spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Used": str(LIMIT)}
            reset = {"X-RateLimit-Reset": str(int(time.time()) + fault.seconds)}
            return JSONResponse({"message": words}, fault.status, usual_headers() | spent | reset)
        case Trouble.SECONDARY_LIMIT:
            words = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            wait = {"Retry-After": str(fault.seconds)}
            return JSONResponse({"message": words}, fault.status, usual_headers() | wait)
