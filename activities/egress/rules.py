"""Which names a sandbox may reach, and which addresses nobody may.

A rule is a name, never an address: an address says nothing about who answers there, and whoever may name one can
name the machine's own services.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from activities.egress.contract import EgressRules

DEFAULT_PORTS = (80, 443)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RuleRefused(ValueError):
    """A rule can't be used; the message says which, why, and what to write instead."""


@dataclass(frozen=True)
class Rule:
    """One entry of an allowlist, parsed."""

    text: str
    """As it was written; shown in records."""
    name: str
    """In lower case, without a trailing dot. Of a wildcard: the suffix without `*.`."""
    wildcard: bool
    ports: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """Read `name`, `name:port` or `*.suffix[:port]`. Raises RuleRefused."""
        host, colon, port = text.strip().lower().partition(":")
        if colon and not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
            raise RuleRefused(
                f"refused the egress rule {text!r}: write name, name:port or *.suffix; an address can't be"
            )
        wildcard = host.startswith("*.")
        name = (host[2:] if wildcard else host).removesuffix(".")
        if len(name) > 253 or not _NAME.fullmatch(name):
            raise RuleRefused(f"refused the egress rule {text!r}: {host[:80]!r} is not a host name")
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            # A last label that is a number makes an address to most programs, in forms such as 127.1 and 0x7f000001.
            raise RuleRefused(f"refused the egress rule {text!r}: that is an address; list the name of the service")
        if wildcard and "." not in name:
            raise RuleRefused(f"refused the egress rule {text!r}: it would allow a whole top-level domain")
        return cls(text=text.strip(), name=name, wildcard=wildcard, ports=(int(port),) if colon else DEFAULT_PORTS)


def parse_rules(rules: EgressRules) -> tuple[Rule, ...]:
    """All rules of a sandbox, exact names before wildcards, without repetition."""
    parsed = {(rule.name, rule.wildcard, rule.ports): rule for rule in map(Rule.parse, rules.hosts)}
    return tuple(sorted(parsed.values(), key=lambda rule: rule.wildcard))


# IANA's special-purpose registries (RFC 6890 and later), without the documentation ranges: nothing answers there, and
# tests of other projects use them. 168.63.129.16 is a public address that is Azure's metadata service in every VM.
_NEVER_V4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
_NEVER_V6 = (
    "::/96",  # unspecified, loopback, and addresses that embed a v4 address
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "2001::/32",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
)


def private_networks() -> Iterator[Network]:
    """Every network that a sandbox's names must not lead to, in v4, v6, and v4 carried in v6 (RFC 3056, RFC 6052)."""
    for text in _NEVER_V6:
        yield ipaddress.IPv6Network(text)
    for text in _NEVER_V4:
        network = ipaddress.IPv4Network(text)
        yield network
        embedded = int(network.network_address)
        yield ipaddress.IPv6Network(((0x2002 << 112) | (embedded << 80), 16 + network.prefixlen))
        yield ipaddress.IPv6Network(((0x0064FF9B << 96) | embedded, 96 + network.prefixlen))
