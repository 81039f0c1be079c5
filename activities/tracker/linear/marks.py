"""Ids that are ours to choose: what is written twice under one is there once, whatever answer was lost. Pure."""

import hashlib
import uuid


def mark_id(*parts: str) -> str:
    """The id, as Linear takes it (a UUID of version 4), of what is written for these reasons."""
    digest = hashlib.sha256("\n".join(("journeyman", *parts)).encode("utf-8", "surrogatepass")).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
