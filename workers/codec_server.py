"""What decrypts payloads for the Temporal UI, in the reader's browser: Temporal's remote codec, decoding only.

See https://docs.temporal.io/production-deployment/data-encryption. Whoever reaches this server can read everything, so
it listens on loopback, answers pages of one origin only, and belongs behind whatever knows your people.
"""

import base64
import binascii

from fastapi import FastAPI, HTTPException
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, Field
from temporalio.api.common.v1 import Payload

from workers.gateway.bounds import BoundedBodies
from workers.payloads import EncryptedPayloads, PayloadUnreadable

_MOST_BYTES = 64 * 1024 * 1024
"""A page of the UI asks for a history's payloads at once."""


class Encoded(BaseModel):
    """A payload as JSON has it: its bytes in Base64."""

    metadata: dict[str, str] = {}
    data: str = ""


class Batch(BaseModel):
    """Payloads, in order."""

    payloads: list[Encoded] = Field(max_length=10_000)


def codec_app(codec: EncryptedPayloads, origin: str) -> FastAPI:
    """The application; `origin` is the UI's, such as `http://127.0.0.1:8233`."""
    app = FastAPI(title="Journeyman codec", docs_url=None, redoc_url=None)
    app.add_middleware(BoundedBodies, most_bytes=_MOST_BYTES, advice="ask for fewer payloads at a time")
    app.add_middleware(
        CORSMiddleware, allow_origins=[origin], allow_methods=["POST"], allow_headers=["*"], allow_credentials=True
    )

    @app.post("/decode")
    async def decode(batch: Batch) -> Batch:
        try:
            given = [
                Payload(
                    metadata={name: base64.b64decode(value) for name, value in each.metadata.items()},
                    data=base64.b64decode(each.data),
                )
                for each in batch.payloads
            ]
            decoded = await codec.decode(given)
        except (binascii.Error, ValueError, PayloadUnreadable) as error:
            raise HTTPException(400, str(error)) from error
        return Batch(
            payloads=[
                Encoded(
                    metadata={name: base64.b64encode(value).decode() for name, value in each.metadata.items()},
                    data=base64.b64encode(each.data).decode(),
                )
                for each in decoded
            ]
        )

    return app
