"""Task queues by kind of work, so that each is scaled alone. Queues of single hosts are named in models.run."""

import hashlib

ORCHESTRATE = "journeyman-orchestrate"
"""Workflows: light, many at once."""
API = "journeyman-api"
"""Forge, chat, tracker, archive: waits on other people's servers."""
GATEWAY = "journeyman-gateway"
"""What takes the gateway's key: it is served by gateways that hear of webhooks, chats or trackers, and by no worker."""
SANDBOX = "journeyman-sandbox"
"""Placements: taken by a host only while it has a free place."""


def fairness_key(url: str) -> str:
    """Of a repository: each has a share of every queue, so that whoever asks for many tasks delays nobody elsewhere.

    By its address, since repositories of two teams may have the same name; hashed, since Temporal takes 64 bytes, and
    keeps keys where everybody who may look at a queue can read them.
    """
    return hashlib.sha256(url.encode()).hexdigest()
