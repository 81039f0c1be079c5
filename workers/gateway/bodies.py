"""Taking in bodies that anybody may send: bounded in size, in time, and in how many are held at once."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from obstore.exceptions import BaseError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from activities.policy.owners import PolicyFileBroken
from activities.webhooks.signature import SecretUnusable

ALWAYS_TAKEN = 256 * 1024
"""Bytes of each body that need no room of those: most are shorter, and no long one keeps them out.
As many connections as there may be hold 64 MiB of them."""

_log = logging.getLogger(__name__)


class InFlight:
    """How many bytes are being taken in."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def taking(self) -> Iterator[Callable[[int], None]]:
        """Gives what every part of one body is counted with."""
        free, taken = ALWAYS_TAKEN, 0

        def take(size: int) -> None:
            nonlocal free, taken
            free, size = max(0, free - size), max(0, size - free)
            if size > self._left:
                raise HTTPException(503, "too many large deliveries at once: ask for this one again later")
            self._left -= size
            taken += size

        try:
            yield take
        finally:
            self._left += taken


def refuse_long(request: Request, most_bytes: int) -> None:
    """Before any of it is read. Raises HTTPException."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most_bytes:
        raise _too_long(most_bytes)


async def read_body(request: Request, take: Callable[[int], None], *, seconds: float, most_bytes: int) -> bytes:
    """All of it. Raises HTTPException."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                take(len(part))
                size += len(part)
                if size > most_bytes:
                    raise _too_long(most_bytes)
                parts.append(part)
    except TimeoutError as error:
        raise HTTPException(408, f"the body did not come within {seconds:g} s") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the body ended early") from error
    return b"".join(parts)


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises HTTPException."""
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise HTTPException(400, f"the body is no JSON: {str(error)[:100]}") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "the body is no JSON object")
    return found


def _too_long(most_bytes: int) -> HTTPException:
    size = f"{most_bytes // 1024**2} MiB" if most_bytes >= 1024**2 else f"{most_bytes // 1024} KiB"
    return HTTPException(413, f"a delivery has at most {size}")


def answer_errors(app: FastAPI, path: str) -> None:
    """What is not taken in says why, to whoever may know: its sender lists it as failed, or sends it again.

    `path`: where it would be.
    """

    @app.exception_handler(404)
    async def elsewhere(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"detail": f"the webhook's address ends in {path}"}, status_code=404)

    @app.exception_handler(SecretUnusable)
    @app.exception_handler(PolicyFileBroken)
    async def misconfigured(_: Request, error: Exception) -> JSONResponse:
        _log.error("what was told at %s could not be taken in: %s", path, error)
        return JSONResponse({"detail": "the gateway's configuration is broken: its log says how"}, status_code=503)

    @app.exception_handler(BaseError)
    @app.exception_handler(OSError)
    async def not_kept(_: Request, error: Exception) -> JSONResponse:
        _log.error("what was told at %s could not be put on record: %s", path, error)
        return JSONResponse({"detail": "it could not be put on record: ask for it again later"}, status_code=503)
