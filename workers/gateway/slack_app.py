"""Where Slack tells what happened, if there is an address: it takes what Slack signed, and nothing else."""

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from starlette.exceptions import HTTPException
from starlette.responses import Response

from activities.chat.slack.signature import SlackSecrets
from workers.gateway.bodies import InFlight, answer_errors, parsed, read_body, refuse_long

PATH = "/webhooks/slack"
MOST_BYTES = 1024**2
"""A message of 40,000 characters, escaped and with its blocks, is shorter."""
MOST_BYTES_AT_ONCE = 32 * MOST_BYTES
BODY_SECONDS = 3.0
"""Slack itself waits no longer for its answer."""
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_MOST_FIELDS = 50
_log = logging.getLogger(__name__)


def slack_app(
    secrets: SlackSecrets,
    bolt: AsyncApp,
    *,
    bytes_at_once: int = MOST_BYTES_AT_ONCE,
    body_seconds: float = BODY_SECONDS,
) -> FastAPI:
    """Build the application: commands, interactions, options and events at one path."""
    app = FastAPI(title="Journeyman for Slack", docs_url=None, redoc_url=None, openapi_url=None)
    in_flight = InFlight(bytes_at_once)

    @app.post(PATH)
    async def slack(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {_JSON, _FORM}:
            raise HTTPException(415, f"Slack sends {_JSON} or {_FORM}")
        refuse_long(request, MOST_BYTES)
        with in_flight.taking() as take:
            body = await read_body(request, take, seconds=body_seconds, most_bytes=MOST_BYTES)
            if not secrets.hold(request.headers, body):
                _log.warning("what was sent as Slack's was refused: its signature does not fit (%d bytes)", len(body))
                raise HTTPException(
                    401,
                    "the signature fits none of the secrets of [slack], or is older than five minutes: is it the "
                    "signing secret of the App's page, and is the clock right?",
                )
            told = parsed(body) if kind == _JSON else _of_form(body)
            headers: dict[str, str | Sequence[str]] = {"content-type": kind}
            try:
                # As bolt takes what is parsed already; it knows what came from elsewhere than Socket Mode no other way.
                heard = AsyncBoltRequest(mode="socket_mode", body=told, headers=headers)
                return to_starlette_response(await bolt.async_dispatch(heard))
            except (LookupError, TypeError, AttributeError) as error:
                # Bolt looks for what Slack always sends before it asks anybody else.
                _log.warning("Slack told what has no known shape: %s: %s", type(error).__name__, error)
                raise HTTPException(400, "this has not the shape of what Slack tells") from error

    answer_errors(app, PATH)
    return app


def _of_form(body: bytes) -> dict[str, Any]:
    """A command's fields, or the JSON of an interaction. Raises HTTPException."""
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise HTTPException(400, "the body is no form") from error
    told = {name: values[-1] for name, values in fields.items()}
    return parsed(told["payload"].encode()) if "payload" in told else told
