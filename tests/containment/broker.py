"""The broker: requests that its rules do not have, in every spelling, and what they would reach.

What a sandbox sends are bytes on its own socket, so these are sent as they are. Success is what a server behind the
gateway has seen. Controls send the same with the rule added, or to the server itself where no rule can be written.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from activities.egress.contract import EgressRules, Endpoint
from tests.activities.egress.providers import HOST, MESSAGES
from tests.containment import metering
from tests.containment.attempt import Attempt, Result
from tests.containment.gateway_world import World, straight, through
from tests.containment.ground import Ground

Rules = Callable[[World], EgressRules]
_OTHER, _NAME = "other.example.test", "api.example.test"
_UPSTREAM = (Endpoint(method="POST", path=MESSAGES), Endpoint(method="GET", path="/v1/models"))


@dataclass(frozen=True, kw_only=True)
class Asked(Attempt):
    """Bytes on a sandbox's socket."""

    request: Callable[[World], str]
    rules: Rules
    granted: Rules | Literal["provider", "web", "silent"]
    """Rules that have what is asked for; or the server that the same bytes are sent to without a gateway."""
    inside: bytes = b""
    """What is sent once a tunnel is open."""
    wanted: str = ""
    """A path, header or word that a server has to have seen; empty if any request is one too many."""

    @property
    def controlled_by(self) -> str:
        return "no gateway" if isinstance(self.granted, str) else "the rule added"

    async def control(self, ground: Ground) -> Result:
        world = await World.of(ground)
        if isinstance(self.granted, str):
            port = {"provider": world.upstream.port, "web": world.web.port, "silent": world.silent.port}[self.granted]
            data = self.inside or self._bytes(world)
            return await self._result(world, lambda: straight(port, data))
        return await self._through(world, self.granted(world))

    async def attack(self, ground: Ground) -> Result:
        world = await World.of(ground)
        return await self._through(world, self.rules(world))

    async def _through(self, world: World, rules: EgressRules) -> Result:
        async with world.opened(rules) as sockets:
            return await self._result(world, lambda: through(sockets, self._bytes(world), self.inside))

    async def _result(self, world: World, send: Callable[[], bytes]) -> Result:
        asked, seen, heard = len(world.upstream.asked), len(world.web.seen), len(world.silent.heard)
        answer = await asyncio.to_thread(send)
        new = [f"{each.method} {each.path} {each.headers}" for each in world.upstream.asked[asked:]]
        new += [*world.web.seen[seen:], *(each.decode(errors="replace") for each in world.silent.heard[heard:])]
        found = [each for each in new if self.wanted.lower() in each.lower()]
        return Result(f"a server has seen {found[0][:80]!r}" if found else "", answer[:60].decode(errors="replace"))

    def _bytes(self, world: World) -> bytes:
        filled = self.request(world)
        return (filled.replace("|", "\r\n") + "\r\nConnection: close\r\n\r\n").encode()


def _service(name: str, line: str, granted: Rules | Literal["provider"], wanted: str = "", more: str = "") -> Asked:
    """A request to a brokered provider that it does not declare."""
    return Asked(
        name=name, group="broker", success="a provider sees a request that nobody declared, with the real key",
        request=lambda _: f"{line} HTTP/1.1|Host: {HOST}{more}|Content-Length: 0",
        rules=lambda world: world.brokered(hosts=("*.model.internal",)), granted=granted, wanted=wanted,
    )  # fmt: skip


def _declared(method: str, path: str) -> Rules:
    return lambda world: world.brokered(endpoints=(*_UPSTREAM, Endpoint(method=method, path=path)))


def _hidden(name: str, head: str, body: str = "") -> Asked:
    """A second request that one who reads carelessly takes for a part of the first."""
    second = f"POST /v1/secret HTTP/1.1|Host: {HOST}|Content-Length: 0"
    return Asked(
        name=name, group="broker", success="a provider sees a request that the gateway has not",
        request=lambda _: f"POST {MESSAGES} HTTP/1.1|Host: {HOST}|{head}||{body}{second}",
        rules=lambda world: world.brokered(), granted="provider", wanted="/v1/secret",
    )  # fmt: skip


def _allow(*names: str, private: bool = True, of: str = "web") -> Rules:
    def rules(world: World) -> EgressRules:
        port = world.web.port if of == "web" else world.silent.port
        return EgressRules(hosts=tuple(f"{name}:{port}" for name in names), allow_private=private)

    return rules


def _spelled(name: str, head: str, granted: Rules | Literal["web"] = "web", private: bool = True) -> Asked:
    """A request that names something else than the allowlist has."""
    return Asked(
        name=name, group="broker", success="a server is reached that is not on the allowlist",
        request=lambda world: head.replace("{port}", str(world.web.port)),
        rules=_allow(_NAME, "*.wild.example.test", private=private), granted=granted,
    )  # fmt: skip


def _resolves(name: str, words: str) -> Asked:
    """A name that is allowed, and leads to this machine or its network."""
    return Asked(
        name=f"reach {words} by a name that is allowed", group="broker", success="a private address is reached",
        request=lambda world: f"GET / HTTP/1.1|Host: {name}:{world.web.port}",
        rules=_allow(name, private=False), granted=_allow(name),
    )  # fmt: skip


def _tunnelled(name: str, first: bytes) -> Asked:
    return Asked(
        name=name, group="broker", success="something comes through a tunnel that is not for the name that was allowed",
        request=lambda world: f"CONNECT {_NAME}:{world.silent.port} HTTP/1.1|Host: {_NAME}:{world.silent.port}",
        rules=_allow(_NAME, of="silent"), granted="silent", inside=first,
    )  # fmt: skip


def _hello(name: str | None) -> bytes:
    """How a client begins that wants to talk to a name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name).do_handshake()
    return said.read()


_REQUEST = f"POST {MESSAGES}"

ATTEMPTS: tuple[Attempt, ...] = (
    _service("use another method of a declared path", f"DELETE {MESSAGES}", _declared("DELETE", MESSAGES)),
    _service("read what may only be written", f"GET {MESSAGES}", _declared("GET", MESSAGES)),
    _service("ask for another path of the provider", "POST /v1/files", _declared("POST", "/v1/files")),
    _service(
        "ask for a path below a declared one", f"POST {MESSAGES}/batches", _declared("POST", f"{MESSAGES}/batches")
    ),
    _service("ask for a path with something behind it", f"POST {MESSAGES};x", _declared("POST", f"{MESSAGES};x")),
    _service("ask for a path in capitals", "POST /V1/MESSAGES", _declared("POST", "/V1/MESSAGES")),
    _service("climb out of a declared path", f"POST {MESSAGES}/../files", "provider"),
    _service("climb out of a declared path in code", f"POST {MESSAGES}/%2e%2e/files", "provider"),
    _service("ask for a path with a slash too many", "POST /v1//messages", "provider"),
    _service("ask for a path with a letter in code", "POST /v1/%6dessages", "provider"),
    _service("ask for a path with a zero byte in code", f"POST {MESSAGES}%00", "provider"),
    _service(
        "name the method in a header",
        f"GET {MESSAGES}",
        _declared("GET", MESSAGES),
        more="|X-HTTP-Method-Override: POST",
    ),
    _service(
        "name the path in a header",
        "POST /v1/files",
        _declared("POST", "/v1/files"),
        more=f"|X-Original-URL: {MESSAGES}",
    ),
    _service(
        "name the path in a header of the gateway's",
        "POST /v1/files",
        _declared("POST", "/v1/files"),
        more=f"|x-envoy-original-path: {MESSAGES}",
    ),
    _service("ask for another protocol", _REQUEST, "provider", more="|Upgrade: websocket|Connection: upgrade"),
    _service("send a key of one's own", _REQUEST, "provider", "mine-mine", "|Authorization: Bearer mine-mine"),
    _service(
        "send a key of one's own where the real one goes", _REQUEST, "provider", "mine-mine", "|x-api-key: mine-mine"
    ),
    _service("send a key of one's own twice", _REQUEST, "provider", "mine-mine", "|X-Api-Key: a|X-API-KEY: mine-mine"),
    _service("send a cookie of one's own", _REQUEST, "provider", "mine-mine", "|Cookie: session=mine-mine"),
    _service(
        "have the answer packed so that nobody can count it", _REQUEST, "provider", "gzip", "|Accept-Encoding: gzip"
    ),
    _hidden("hide a request behind two lengths", "Content-Length: 0|Content-Length: 0|X: y", ""),
    _hidden("hide a request behind a length and chunks", "Content-Length: 3|Transfer-Encoding: chunked", "0||"),
    _hidden("hide a request behind chunks in another spelling", "Transfer-Encoding: chunked, identity", "0||"),
    _hidden("hide a request in the body of one with no length", "X: y", ""),
    _hidden("send a second request behind a good one", "Content-Length: 0", ""),
    _spelled("name a host that is not allowed", f"GET / HTTP/1.1|Host: {_OTHER}:{{port}}", _allow(_NAME, _OTHER)),
    _spelled(
        "name one host in the line and another in the header",
        f"GET http://{_OTHER}:{{port}}/ HTTP/1.1|Host: {_NAME}:{{port}}",
        _allow(_NAME, _OTHER),
    ),
    _spelled(
        "name an allowed host as a user's name",
        f"GET http://{_NAME}@{_OTHER}:{{port}}/ HTTP/1.1|Host: {_NAME}:{{port}}",
    ),
    _spelled("name two hosts", f"GET / HTTP/1.1|Host: {_OTHER}:{{port}}|Host: {_NAME}:{{port}}"),
    _spelled("name a host that ends like an allowed one", "GET / HTTP/1.1|Host: evilwild.example.test:{port}"),
    _spelled(
        "name a host with an allowed one behind a slash", f"GET / HTTP/1.1|Host: {_OTHER}/.wild.example.test:{{port}}"
    ),
    _spelled(
        "name a host with an allowed one behind a port",
        f"GET / HTTP/1.1|Host: {_OTHER}:{{port}}.wild.example.test:{{port}}",
    ),
    _spelled(
        "forward a request to another host",
        f"GET / HTTP/1.1|Host: {_OTHER}:{{port}}|X-Forwarded-Host: {_NAME}:{{port}}",
        _allow(_NAME, _OTHER),
    ),
    _spelled(
        "name where to go in a header of the gateway's",
        f"GET / HTTP/1.1|Host: {_OTHER}:{{port}}|X-Envoy-Original-Dst-Host: 127.0.0.1:{{port}}",
        _allow(_NAME, _OTHER),
    ),
    _spelled("name an address", "GET / HTTP/1.1|Host: 127.0.0.1:{port}"),
    _spelled("name an address in short", "GET / HTTP/1.1|Host: 127.1:{port}"),
    _spelled("name an address as one number", "GET / HTTP/1.1|Host: 2130706433:{port}"),
    _spelled("name an address of the next protocol", "GET / HTTP/1.1|Host: [::ffff:127.0.0.1]:{port}"),
    _spelled("name this machine", "GET / HTTP/1.1|Host: localhost:{port}"),
    Asked(
        name="ask for a tunnel to a host that is not allowed",
        group="broker",
        success="a server is reached that is not on the allowlist",
        request=lambda world: f"CONNECT {_OTHER}:{world.silent.port} HTTP/1.1|Host: {_NAME}:{world.silent.port}",
        rules=_allow(_NAME, of="silent"),
        granted=_allow(_NAME, _OTHER, of="silent"),
        inside=_hello(_OTHER),
    ),
    _resolves("loopback.example.test", "this machine"),
    _resolves("unspecified.example.test", "this machine by the address of none"),
    _tunnelled("talk to another name in a tunnel", _hello("evil.example.test")),
    _tunnelled("talk to a longer name in a tunnel", _hello("api.example.test.evil.example.test")),
    _tunnelled("talk to no name in a tunnel", _hello(None)),
    _tunnelled("talk in plain text in a tunnel", b"GET /leak HTTP/1.1\r\nHost: api.example.test\r\n\r\n"),
    _tunnelled("open a shell in a tunnel", b"SSH-2.0-OpenSSH_9.2\r\n"),
    _tunnelled("begin with a greeting that has no end", b"\x16\x03\x01\xff\xff\x01\x00\xff\xfb" + bytes(2000)),
    *metering.ATTEMPTS,
)
