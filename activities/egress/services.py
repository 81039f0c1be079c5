"""Brokered services as the gateway uses them: checked, and named after what their upstream requests have in common."""

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from activities.egress.contract import BrokeredService
from activities.egress.rules import Rule, RuleRefused

CREDENTIAL_HEADERS = ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
"""What a sandbox sends here never reaches a provider: it could be somebody else's key, to which work would be sent."""
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}")
_METHOD = re.compile(r"[A-Z]{1,20}")
_PATH = re.compile(r"/[A-Za-z0-9._~/:@!$&'()*+,;=-]{0,500}")
_FRAMING = ("host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "expect", "accept-encoding")


@dataclass(frozen=True)
class Upstream:
    """Where a service's requests go, and which credential they carry."""

    name: str
    """Of Envoy's cluster and of the file with its key."""
    host: str
    port: int
    tls: bool
    base: str
    """Put before a request's path; without a slash at its end."""
    credential: str
    """Empty if requests carry none."""
    header: str
    prefix: str

    @property
    def authority(self) -> str:
        """As the upstream expects it in `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def address(self) -> bool:
        """Whether the host is an address and no name."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @classmethod
    def of(cls, service: BrokeredService, keyless: Sequence[str]) -> "Upstream":
        """The upstream of a service that was checked. `keyless`: names of credentials that stand for none."""
        parts = urlsplit(service.upstream)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        credential = "" if service.credential in keyless else service.credential
        facts = (host, port, tls, credential, service.header, service.prefix)
        name = "upstream-" + hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return cls(name, host, port, tls, parts.path.rstrip("/"), credential, service.header, service.prefix)

    @classmethod
    def at(cls, host: str, port: int | None, *, tls: bool) -> "Upstream":
        """A server that is asked without a credential."""
        port = port or (443 if tls else 80)
        name = "upstream-" + hashlib.sha256(repr((host, port, tls)).encode()).hexdigest()[:16]
        return cls(name, host, port, tls, base="", credential="", header="", prefix="")


def check_services(services: Sequence[BrokeredService]) -> None:
    """Raises RuleRefused for a service that can't be brokered as it is written."""
    names: list[str] = []
    for service in services:
        rule = Rule.parse(service.host)
        if rule.wildcard or ":" in service.host or rule.name != service.host:
            raise RuleRefused(f"refused the brokered host {service.host!r}: write one plain name in lower case")
        names.append(service.host)
        _check_upstream(service)
        if not _TOKEN.fullmatch(service.header) or service.header in _FRAMING:
            raise RuleRefused(f"refused the header {service.header!r} of {service.host}: no credential goes there")
        if not service.prefix.isprintable() or not service.prefix.isascii() or len(service.prefix) > 100:
            raise RuleRefused(f"refused the credential's prefix of {service.host}: it must be short printable ASCII")
        for endpoint in service.endpoints:
            if not _METHOD.fullmatch(endpoint.method) or endpoint.method == "CONNECT":
                raise RuleRefused(f"refused the method {endpoint.method!r} of {service.host}")
            parts = endpoint.path.split("/")
            if not _PATH.fullmatch(endpoint.path) or ".." in parts or "." in parts or "" in parts[1:-1]:
                raise RuleRefused(f"refused the path {endpoint.path!r} of {service.host}: write it plain, from `/`")
    if len(set(names)) != len(names):
        raise RuleRefused("refused the brokered services: two have the same host")


def _check_upstream(service: BrokeredService) -> None:
    try:
        parts = urlsplit(service.upstream)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = not (parts.query or parts.fragment or parts.username or parts.password) and port != 0
    path = parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain or (path and not _PATH.fullmatch(path)):
        # The address is not repeated: it might hold a password.
        raise RuleRefused(f"refused the upstream of {service.host}: write http(s)://host[:port][/path] and no more")
