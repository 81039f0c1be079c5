"""Task queues by kind of work, so that each is scaled alone. Queues of single hosts are named in models.run."""

import hashlib

ORCHESTRATE = "journeyman-orchestrate"
"""Workflows: light, many at once."""
API = "journeyman-api"
"""Forge, chat, tracker, archive: waits on other people's servers."""
SANDBOX = "journeyman-sandbox"
"""Placements: taken by a host only while it has a free place."""

_KEY_BYTES = 64


def fairness_key(name: str) -> str:
    """Of a repository: each has a share of every queue, so that whoever asks for many tasks delays nobody elsewhere."""
    # Temporal takes 64 bytes.
    return name if len(name.encode()) <= _KEY_BYTES else hashlib.sha256(name.encode()).hexdigest()
