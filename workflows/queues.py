"""Task queues by kind of work, so that each is scaled alone. Queues of single hosts are named in models.run."""

ORCHESTRATE = "journeyman-orchestrate"
"""Workflows: light, many at once."""
API = "journeyman-api"
"""Forge, chat, tracker, archive: waits on other people's servers."""
SANDBOX = "journeyman-sandbox"
"""Placements: taken by a host only while it has a free place."""
