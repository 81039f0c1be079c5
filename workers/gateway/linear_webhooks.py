"""Where Linear tells what happened: signed deliveries are put on record, and nothing else is done about them here."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import FastAPI, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from activities.tracker.linear.meaning import Meaning, Terms, meaning
from activities.tracker.linear.payloads import Envelope
from activities.webhooks.meaning import Ignored
from activities.webhooks.signature import WebhookSecrets
from activities.webhooks.stored import Deliveries, digest_of
from workers.gateway.bodies import InFlight, answer_errors, parsed, read_body, refuse_long
from workers.gateway.linear_carrier import is_fresh

PATH = "/webhooks/linear"
MOST_BYTES = 5 * 1024 * 1024
"""As much as Linear's own client takes."""
MOST_BYTES_AT_ONCE = 8 * MOST_BYTES
"""Of all bodies that are being taken in: whoever is not Linear is found out only at the end of one."""
BODY_SECONDS = 5.0
"""In which a body has to come: Linear itself waits no longer for its answer."""
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_GUID = re.compile(r"[0-9A-Za-z-]{8,64}")
_log = logging.getLogger(__name__)


def linear_app(
    secrets: WebhookSecrets,
    deliveries: Deliveries,
    terms: Callable[[], Terms],
    taken: Callable[[str], None],
    heard: Callable[[Meaning], None] = lambda _: None,
    *,
    bytes_at_once: int = MOST_BYTES_AT_ONCE,
    body_seconds: float = BODY_SECONDS,
) -> FastAPI:
    """Build the application.

    `taken` is told the digest of what was put on record, `heard` what it means; neither may wait.
    """
    app = FastAPI(title="Journeyman webhooks", docs_url=None, redoc_url=None, openapi_url=None)
    in_flight = InFlight(bytes_at_once)

    @app.post(PATH)
    async def linear(request: Request) -> JSONResponse:
        guid, signature = _headers(request)
        with in_flight.taking() as take:
            body = await read_body(request, take, seconds=body_seconds, most_bytes=MOST_BYTES)
            return await _take(guid, signature, body)

    async def _take(guid: str, signature: str, body: bytes) -> JSONResponse:
        if not secrets.hold(f"sha256={signature}", body):
            _log.warning("a delivery to Linear's webhook was refused: its signature does not fit (%d bytes)", len(body))
            raise HTTPException(
                401, "the signature fits none of the secrets of [linear]: is it the one on the webhook's page?"
            )
        told = parsed(body)
        if not _is_fresh(told):
            raise HTTPException(401, "webhookTimestamp is not within a minute of now: is this machine's clock right?")
        found = meaning(told, terms())
        if isinstance(found, Ignored):
            return _say("ignored", found.reason)
        new = await deliveries.keep(str(told["type"]), guid, signature, body, "linear")
        digest = digest_of(body)
        taken(digest)
        heard(found)
        return _say("taken" if new else "known", "it is on record" if new else "it was taken before", digest)

    answer_errors(app, PATH)
    return app


def _headers(request: Request) -> tuple[str, str]:
    """Delivery and signature; what lacks one of them is not read any further."""
    signature, guid = request.headers.get("linear-signature", ""), request.headers.get("linear-delivery", "")
    if not _SIGNATURE.fullmatch(signature):
        raise HTTPException(
            401, "no Linear-Signature: this address takes what Linear's webhooks send, and nothing else"
        )
    if not _GUID.fullmatch(guid):
        raise HTTPException(400, "Linear-Delivery is missing, or is none")
    refuse_long(request, MOST_BYTES)
    return guid, signature


def _is_fresh(told: dict[str, object]) -> bool:
    try:
        return is_fresh(Envelope.model_validate(told), datetime.now(UTC))
    except ValidationError:
        return False


def _say(outcome: str, detail: str, delivery: str = "") -> JSONResponse:
    # Anything but 200 counts as failed in Linear.
    return JSONResponse({"outcome": outcome, "detail": detail, "delivery": delivery})
