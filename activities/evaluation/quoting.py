"""Messages that quote source. Evidence repeats no secret, so what looks like one is taken out before it is cut."""

from activities.agents.plain_text import plain
from activities.redaction.detectors import likely
from activities.redaction.redactor import Redactor

_SHOWN_CHARS = 400


def without_secrets(message: str) -> str:
    """One line for people."""
    redacted = Redactor().text(message)
    if any(any(detector.analyze_string(redacted[:_SHOWN_CHARS])) for detector in likely()):
        redacted = f"{redacted.partition(':')[0][:100]} (not quoted: something in it looks like a secret)"
    return " ".join(plain(redacted, _SHOWN_CHARS).split())
