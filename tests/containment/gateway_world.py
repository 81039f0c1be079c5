"""A real gateway with a provider, a web server and a silent listener "
"behind it, all on loopback and of the suite's own."""

import asyncio
import contextlib
import os
import socket
import tempfile
from pathlib import Path

from activities.egress.contract import BrokeredService, EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.policy.agent_tables import KeySource
from activities.removal import remove
from tests.activities.egress.conftest import NAMES
from tests.activities.egress.providers import Provider, anthropic_message, brokered, plain, provider, service
from tests.activities.egress.servers import WebServer, dial, name_server, web_server
from tests.containment.ground import Ground
from workflows.models.usage import Allowance

SECONDS = 2.0
"""How long an answer is waited for: what is held back by the meter never comes."""


class Silent:
    """A server that says nothing and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if data := await reader.read(65536):
            self.heard.append(data)
        writer.close()

    def close(self) -> None:
        if self._server:
            self._server.close()


class World:
    """Everything that a sandbox's requests could reach."""

    def __init__(self, directory: Path, resolver: str, upstream: Provider, web: WebServer, silent: Silent) -> None:
        self.key = f"sk-planted-{os.urandom(8).hex()}"
        self.directory = directory / "gateway"
        self.directory.mkdir(mode=0o711)
        (directory / "key").write_text(f"{self.key}\n")
        (directory / "key").chmod(0o600)
        self.gateway = EnvoyGateway(
            self.directory, resolvers=[resolver], credentials={"anthropic": KeySource(file=directory / "key")}
        )
        self.upstream, self.web, self.silent = upstream, web, silent
        upstream.answer = plain(anthropic_message())

    @classmethod
    async def of(cls, ground: Ground) -> "World":
        """The one of this ground, made when it is first asked for."""
        async with ground.making:
            return await cls._made(ground)

    @classmethod
    async def _made(cls, ground: Ground) -> "World":
        if "world" not in ground.shared:
            # Short, since socket paths are limited, and reachable by Envoy's own user.
            directory = Path(tempfile.mkdtemp(prefix="jg-", dir="/tmp"))
            directory.chmod(0o711)
            ground.closing.callback(remove, directory)
            enter = ground.closing.enter_context
            resolver, upstream, web = enter(name_server(NAMES)), enter(provider()), enter(web_server())
            silent = Silent()
            await silent.start()
            ground.closing.callback(silent.close)
            world = ground.shared["world"] = cls(directory, resolver, upstream, web, silent)
            ground.closing.push_async_callback(world.gateway.stop)
        found: World = ground.shared["world"]
        return found

    def service(self, **changed: object) -> BrokeredService:
        return service(f"http://api.example.test:{self.upstream.port}", **changed)  # type: ignore[arg-type]  # as given

    def brokered(
        self, allowance: Allowance | None = None, hosts: tuple[str, ...] = (), **changed: object
    ) -> EgressRules:
        rules = brokered(self.service(**changed), allowance=allowance)
        return rules.model_copy(update={"hosts": hosts})

    @contextlib.asynccontextmanager
    async def opened(self, rules: EgressRules, uid: int | None = None):  # type: ignore[no-untyped-def]  # of a path
        """A listener of its own for one attempt: the directory of its socket."""
        name = f"a{os.urandom(4).hex()}"
        try:
            yield await self.gateway.open(name, rules, uid)
        finally:
            await self.gateway.close(name)
            await self.gateway.forget(name)

    def seen(self) -> int:
        """How many requests, or beginnings of such, have come to any server."""
        return len(self.upstream.asked) + len(self.web.seen) + len(self.silent.heard)


def through(sockets: Path, request: bytes, inside: bytes = b"") -> bytes:
    """Send raw bytes as a sandbox can; `inside` once a tunnel is open. What comes until the other side closes."""
    return _talk(dial(sockets), request, inside)


def straight(port: int, request: bytes) -> bytes:
    """Send the same bytes without a gateway."""
    return _talk(socket.create_connection(("127.0.0.1", port)), request, b"")


def _talk(connection: socket.socket, request: bytes, inside: bytes) -> bytes:
    received = b""
    with connection, contextlib.suppress(OSError):
        connection.settimeout(SECONDS)
        connection.sendall(request)
        if inside:
            while b"\r\n\r\n" not in received and (more := connection.recv(65536)):
                received += more
            connection.sendall(inside)
            connection.settimeout(1)
        while more := connection.recv(65536):
            received += more
    return received
