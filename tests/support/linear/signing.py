"""How Linear signs what its webhooks send."""

import hashlib
import hmac


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of the raw body, in hexadecimal."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
