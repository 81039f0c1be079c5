"""Whether something is Slack's word: its signature over the raw body and the time, at most five minutes old."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from slack_sdk.signature import Clock, SignatureVerifier

from activities.webhooks.signature import SecretUnusable

_LEAST_CHARACTERS = 16
_CLOCK = Clock()


class SlackSecrets:
    """The signing secrets that count now, looked at anew each time: a rotation needs no restart."""

    def __init__(self, files: Callable[[], Sequence[Path]], clock: Clock = _CLOCK) -> None:
        self._files = files
        self._clock = clock
        self._known: dict[Path, tuple[object, str]] = {}

    def hold(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether one of them made this signature. Raises SecretUnusable."""
        timestamp = headers.get("x-slack-request-timestamp", "")
        signature = headers.get("x-slack-signature", "")
        if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12 or not signature.isascii():
            return False
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return False
        # Every secret is tried, whichever fits: how long it takes tells nothing.
        verifiers = [SignatureVerifier(secret, self._clock) for secret in self._read()]
        return sum(one.is_valid(text, timestamp, signature) for one in verifiers) > 0

    def check(self) -> int:
        """How many there are. Raises SecretUnusable."""
        return len(self._read())

    def _read(self) -> list[str]:
        secrets = []
        for file in self._files():
            try:
                secret = self._secret(file)
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is no text"
                raise SecretUnusable(f"Slack's signing secret {file} can't be read: {reason}") from error
            if len(secret) < _LEAST_CHARACTERS:
                raise SecretUnusable(f"{file} holds no signing secret: copy it from the App's page, Basic Information")
            secrets.append(secret)
        return secrets

    def _secret(self, file: Path) -> str:
        """Read again only when it has changed: a hundred commands may come in the same second."""
        facts = file.stat()
        stamp = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
        known = self._known.get(file)
        if known is None or known[0] != stamp:
            known = self._known[file] = (stamp, file.read_text().strip())
        return known[1]
