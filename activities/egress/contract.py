"""What the gateway is told and what it records."""

from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import Field

from workflows.models.base import Model
from workflows.models.usage import Allowance, Metered

SOCKET_NAME = "egress.sock"


class UsageDialect(StrEnum):
    """How a model provider's answers state what a request used."""

    ANTHROPIC_MESSAGES = "anthropic-messages"
    """`usage` in `message_start` and `message_delta` events, or in the one answer."""
    OPENAI_CHAT = "openai-chat"
    """`usage` in the last chunk, if the client asked for it, or in the one answer."""
    OPENAI_RESPONSES = "openai-responses"
    """`response.usage` in `response.completed`, or `usage` in the one answer."""


class Endpoint(Model):
    """One request that an agent needs: a method and an exact path, its query aside."""

    method: str
    path: str
    usage: UsageDialect | None = None
    """How to read what it cost; None for what costs nothing."""


class Price(Model):
    """Micro-dollars per million tokens: 3,000,000 is three dollars per million, and three micro-dollars a token."""

    input: int = Field(ge=0)
    output: int = Field(ge=0)
    cache_read: int = Field(ge=0)
    cache_write: int = Field(ge=0)
    cache_write_hour: int | None = Field(default=None, ge=0)
    """For what is kept for an hour, where a provider charges more for that; None is as `cache_write`."""
    long_prompt_tokens: int | None = None
    """A request with more input than this, cached or not, costs what `long_prompt` says, output included."""
    long_prompt: "Price | None" = None


class BrokeredService(Model):
    """A service that the gateway adds a credential for; the sandbox knows its name inside and no key."""

    host: str
    """The name inside, such as `anthropic.model.internal`, asked for in plain HTTP."""
    upstream: str
    """Base URL that requests go to, such as `https://api.anthropic.com`; its path is put before the request's."""
    credential: str
    """Name of the credential in the gateway's keeping; never its value. The gateway may know that it takes none."""
    header: str
    """Lower-case name of the header that the credential goes into; what the sandbox sent there is removed."""
    private: bool = False
    """Whether the upstream may be at a private or loopback address: for a model on a network of one's own."""
    prefix: str = ""
    """Put before the credential, such as `Bearer `."""
    endpoints: tuple[Endpoint, ...] = ()
    """All else at this host is refused."""
    prices: dict[str, Price] = {}
    """By the model's name as the provider states it, with or without a date behind it; a model that is not here counts
    at the dearest price of all. Empty, nothing is counted as money."""
    price_version: str = ""


class PackagePage(Model):
    """What the gateway answers itself: a list of files that somebody on this host has chosen."""

    path: str
    media_type: str
    body: str


class PackageFile(Model):
    """One file of a registry."""

    path: str
    """Inside, exactly as it is asked for; a request with a query is another one."""
    url: str
    """Where it is fetched from."""
    private: bool = False
    """Whether that may be a private or loopback address: for a registry on a network of one's own."""


class PackageHost(Model):
    """A name inside that stands for a registry, and has nothing but what is listed here, for GET and HEAD."""

    host: str
    """Such as `pypi.registry.internal`, asked for in plain HTTP."""
    pages: tuple[PackagePage, ...] = ()
    files: tuple[PackageFile, ...] = ()


class EgressRules(Model):
    """What one sandbox may reach."""

    hosts: tuple[str, ...] = ()
    """Each `name`, `name:port` or `*.suffix[:port]`; ports default to 80 and 443. Never an address."""
    asks: bool = False
    """Whether people may be asked about a name that is not among them, so that trying again can help."""
    allow_private: bool = False
    """Whether names may resolve to private or loopback addresses: for tests and stand-ins on this machine only."""
    brokered: tuple[BrokeredService, ...] = ()
    packages: tuple[PackageHost, ...] = ()
    allowance: Allowance = Allowance()
    """What it begins with; `grant` changes it."""


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
    model: str = ""
    """Of a brokered request: the model that answered, as the provider names it."""
    metered: Metered | None = None
    """Of a brokered request: what it used."""
    request: str = ""
    """Of a brokered request that was let through: its id in the meter's books."""


class Wanted(Model):
    """Hosts that a sandbox asked for and that people may be asked about."""

    hosts: tuple[str, ...] = ()
    """Each `name:port`, once, in order; untrusted."""
    seen: int = 0
    """Bytes of the log that were looked at: where the next look begins."""


class Traffic(Model):
    """What passed a sandbox's way out so far. Counts only grow, while one process looks."""

    answered: int = 0
    """Requests to brokered services that were answered well."""
    failed: int = 0
    """Those that were answered with an error, or not at all."""
    moved: int = 0
    """Grows with whatever passes: bytes of requests under way too. Of no unit; only that it grows means anything."""
    seen: int = 0
    """Bytes of the log that were looked at: where the next look begins."""


class EgressGateway(Protocol):
    """One gateway a host, with a listener per sandbox."""

    async def open(self, sandbox: str, rules: EgressRules, uid: int | None) -> Path:
        """Open a listener, reachable by `uid` alone, and return the directory that holds its socket. Idempotent."""
        ...

    async def change(self, sandbox: str, rules: EgressRules) -> None:
        """Change what a sandbox may reach, without cutting streams that are open."""
        ...

    async def grant(self, sandbox: str, allowance: Allowance) -> None:
        """Replace what a sandbox may use in all; requests that were held and fit now go on. Survives restarts."""
        ...

    async def metered(self, sandbox: str) -> Metered:
        """What a sandbox has used so far; after `close`, what it used in all, until it is forgotten."""
        ...

    async def wanted(self, sandbox: str, seen: int) -> Wanted:
        """Hosts that it was refused since an earlier look, where its rules say `asks`; none if it is not open."""
        ...

    async def traffic(self, sandbox: str, before: Traffic) -> Traffic:
        """What has passed since an earlier look, added to it; the same if it is not open."""
        ...

    async def close(self, sandbox: str) -> tuple[EgressRecord, ...]:
        """Close the listener and return every request it saw, in order. Idempotent; records stay until forgotten."""
        ...

    async def opened(self) -> tuple[str, ...]:
        """Every sandbox that has a listener."""
        ...

    async def forget(self, sandbox: str) -> None:
        """Remove the records of a sandbox that was closed, once they are kept elsewhere. Idempotent."""
        ...
