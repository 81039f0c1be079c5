"""Whether a delivery is GitHub's: its HMAC over the raw body, compared in constant time.

Only the body is signed: the event's name and the delivery's id are headers that anybody could change.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from pathlib import Path

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
_LEAST_CHARACTERS = 16


class SecretUnusable(Exception):
    """A file that should hold a webhook's secret does not; the message names it, and not what is in it."""


class WebhookSecrets:
    """The secrets that count now, read anew each time: a rotation needs no restart."""

    def __init__(self, files: Callable[[], Sequence[Path]]) -> None:
        self._files = files

    def hold(self, signature: str, body: bytes) -> bool:
        """Whether one of them made this signature, as `X-Hub-Signature-256` has it. Raises SecretUnusable."""
        found = _SIGNATURE.fullmatch(signature)
        if found is None:
            return False
        # Every secret is tried, whichever fits: how long it takes tells nothing.
        made = [hmac.new(secret, body, hashlib.sha256).hexdigest() for secret in self._read()]
        return sum(hmac.compare_digest(one, found[1]) for one in made) > 0

    def check(self) -> int:
        """How many there are. Raises SecretUnusable."""
        return len(self._read())

    def _read(self) -> list[bytes]:
        secrets = []
        for file in self._files():
            try:
                secret = file.read_bytes().strip()
            except OSError as error:
                raise SecretUnusable(f"the webhook's secret {file} can't be read: {error.strerror}") from error
            if len(secret) < _LEAST_CHARACTERS:
                raise SecretUnusable(f"{file} holds no secret: write at least {_LEAST_CHARACTERS} random characters")
            secrets.append(secret)
        return secrets
