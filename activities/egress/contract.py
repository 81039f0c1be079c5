"""What the gateway is told and what it records."""

from pathlib import Path
from typing import Protocol

from workflows.models.base import Model

SOCKET_NAME = "egress.sock"


class EgressRules(Model):
    """What one sandbox may reach."""

    hosts: tuple[str, ...] = ()
    """Each `name`, `name:port` or `*.suffix[:port]`; ports default to 80 and 443. Never an address."""
    allow_private: bool = False
    """Whether names may resolve to private or loopback addresses: for tests and stand-ins on this machine only."""


class EgressRecord(Model):
    """One request at the gateway."""

    time: str
    """RFC 3339, UTC."""
    sandbox: str
    method: str = ""
    host: str = ""
    """Name and port as asked for."""
    path: str = ""
    """For plain HTTP only; a tunnel shows nothing."""
    allowed: bool = False
    rule: str = ""
    status: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    duration_ms: int = 0


class EgressGateway(Protocol):
    """One gateway a host, with a listener per sandbox."""

    async def open(self, sandbox: str, rules: EgressRules, uid: int | None) -> Path:
        """Open a listener, reachable by `uid` alone, and return the directory that holds its socket. Idempotent."""
        ...

    async def change(self, sandbox: str, rules: EgressRules) -> None:
        """Change what a sandbox may reach, without cutting streams that are open."""
        ...

    async def close(self, sandbox: str) -> tuple[EgressRecord, ...]:
        """Close the listener and return every request it saw, in order. Idempotent; records stay until forgotten."""
        ...

    async def forget(self, sandbox: str) -> None:
        """Remove the records of a sandbox that was closed, once they are kept elsewhere. Idempotent."""
        ...
