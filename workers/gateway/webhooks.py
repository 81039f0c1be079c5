"""Where GitHub tells what happened: one address, open to the network, that takes signed deliveries and nothing else.

What is acknowledged is on record before. Nothing is done about it here, and nobody is asked anything, so that an answer
never waits for GitHub or for Temporal.
"""

import logging
import re
from collections.abc import Callable

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from activities.webhooks.meaning import Ignored, Terms, meaning
from activities.webhooks.signature import WebhookSecrets
from activities.webhooks.stored import Deliveries, digest_of
from workers.gateway.bodies import InFlight, answer_errors, parsed, read_body, refuse_long

MOST_BYTES = 25 * 1024 * 1024
"""GitHub sends no more."""
MOST_BYTES_AT_ONCE = 8 * MOST_BYTES
"""Of all long bodies that are being taken in: whoever is not GitHub is found out only at the end of one."""
BODY_SECONDS = 10.0
"""In which a body has to come: GitHub itself waits no longer for its answer."""
_GUID = re.compile(r"[0-9A-Za-z-]{8,64}")
_EVENT = re.compile(r"[a-z0-9_]{1,64}")
_log = logging.getLogger(__name__)


class Acknowledged(BaseModel):
    """What GitHub's page of the delivery shows."""

    outcome: str
    """`taken`, `known` or `ignored`."""
    detail: str
    delivery: str = ""
    """Its digest, which is in the id of its workflow."""


def webhook_app(
    secrets: WebhookSecrets,
    deliveries: Deliveries,
    terms: Callable[[], Terms],
    taken: Callable[[str], None],
    *,
    bytes_at_once: int = MOST_BYTES_AT_ONCE,
    body_seconds: float = BODY_SECONDS,
) -> FastAPI:
    """Build the application. `taken` is told the digest of what was put on record, and must not wait."""
    app = FastAPI(title="Journeyman webhooks", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    in_flight = InFlight(bytes_at_once)

    @app.post("/webhooks/github")
    async def github(request: Request) -> JSONResponse:
        event, guid, signature = _headers(request)
        with in_flight.taking() as take:
            body = await read_body(request, take, seconds=body_seconds, most_bytes=MOST_BYTES)
            return await _take(event, guid, signature, body)

    async def _take(event: str, guid: str, signature: str, body: bytes) -> JSONResponse:
        if not secrets.hold(signature, body):
            _log.warning("a delivery to the webhook was refused: its signature does not fit (%d bytes)", len(body))
            raise HTTPException(
                401, "the signature fits none of the secrets of [github.webhooks]: is it the one on the App's page?"
            )
        if event == "ping":
            return _say("ignored", "this is the right address, and the secret fits")
        found = meaning(event, parsed(body), terms())
        if isinstance(found, Ignored):
            return _say("ignored", found.reason)
        new = await deliveries.keep(event, guid, signature, body)
        digest = digest_of(body)
        taken(digest)
        return _say("taken" if new else "known", "it is on record" if new else "it was taken before", digest)

    answer_errors(app, "/webhooks/github")
    return app


def _headers(request: Request) -> tuple[str, str, str]:
    """Event, delivery and signature; what lacks one of them is not read any further."""
    signature = request.headers.get("x-hub-signature-256", "")
    if not signature:
        raise HTTPException(401, "no X-Hub-Signature-256: give the webhook a secret on the App's page")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "set the webhook's content type to application/json")
    event, guid = request.headers.get("x-github-event", ""), request.headers.get("x-github-delivery", "")
    if not _EVENT.fullmatch(event) or not _GUID.fullmatch(guid):
        raise HTTPException(400, "X-GitHub-Event or X-GitHub-Delivery is missing, or is none")
    refuse_long(request, MOST_BYTES)
    return event, guid, signature


def _say(outcome: str, detail: str, delivery: str = "") -> JSONResponse:
    told = Acknowledged(outcome=outcome, detail=detail, delivery=delivery)
    return JSONResponse(told.model_dump(), status_code=202)
