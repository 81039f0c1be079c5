"""A tunnel is TLS for the very name that was allowed, or it is cut before anything of it comes through."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from activities.egress.gateway import EnvoyGateway
from activities.egress.records import OTHER_NAME_RULE
from tests.activities.egress.servers import self_signed, tunnel, web_server
from tests.activities.egress.test_allowlist import rules

NAME = "api.example.test"


def hello(name: str | None) -> bytes:
    """How a client begins that wants to talk to a name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name).do_handshake()
    return said.read()


class Listening:
    """A server that says nothing and keeps what it hears."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(10)
        self.port = self._socket.getsockname()[1]

    def heard(self) -> bytes:
        """What came first from the one who connected; nothing if it went without a word."""
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(10)
            return connection.recv(65536)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listening() -> Iterator[Listening]:
    server = Listening()
    yield server
    server.close()


@pytest.mark.parametrize(
    "first",
    [
        hello("evil.example.test"),
        hello("api.example.test.evil.example.test"),
        hello(None),
        b"GET /leak HTTP/1.1\r\nHost: api.example.test\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\xff\xff" + b"\x01\x00\xff\xfb" + bytes(65535),
        bytes(5),
    ],
    ids=["another name", "a longer name", "no name", "plain http", "ssh", "a hello of no size", "zeros"],
)
async def test_nothing_comes_through_a_tunnel_that_is_not_meant_for_the_allowed_name(
    gateway: EnvoyGateway, listening: Listening, first: bytes
) -> None:
    host = f"{NAME}:{listening.port}"
    sandbox = f"other-{listening.port}"
    directory = await gateway.open(sandbox, rules(host), None)

    def use() -> bytes:
        connection, head = tunnel(directory, host)
        assert head.startswith(b"HTTP/1.1 200")
        with connection:
            try:
                connection.sendall(first)
                return connection.recv(65536)
            except ConnectionError:
                return b""

    answer, heard = await asyncio.gather(asyncio.to_thread(use), asyncio.to_thread(listening.heard))
    assert (answer, heard) == (b"", b"")
    (record,) = await gateway.close(sandbox)
    assert (record.method, record.host, record.allowed, record.rule) == ("CONNECT", host, False, OTHER_NAME_RULE)


async def test_a_client_may_take_its_time_and_begin_in_pieces(gateway: EnvoyGateway, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path / "pem", NAME)
    with web_server(certificate) as secure:
        host = f"{NAME}:{secure.port}"
        directory = await gateway.open("pieces", rules(host), None)

        def use() -> bytes:
            connection, _ = tunnel(directory, host)
            context = ssl.create_default_context(cafile=str(certificate))
            heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(heard, said, server_hostname="API.example.test")
            with connection:
                while True:
                    try:
                        client.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        for byte in said.read():
                            connection.sendall(bytes([byte]))
                        heard.write(connection.recv(65536))
                client.write(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                connection.sendall(said.read())
                answer = b""
                while b"served" not in answer:
                    heard.write(connection.recv(65536))
                    with contextlib.suppress(ssl.SSLWantReadError):
                        answer += client.read(65536)
                return answer

        assert b"served /slow" in await asyncio.to_thread(use)


async def test_of_names_under_one_rule_a_tunnel_is_held_to_the_one_it_asked_for(
    gateway: EnvoyGateway, listening: Listening
) -> None:
    directory = await gateway.open("wild", rules(f"*.wild.example.test:{listening.port}"), None)

    def use(asked: str, meant: str) -> None:
        connection, head = tunnel(directory, f"{asked}.wild.example.test:{listening.port}")
        assert head.startswith(b"HTTP/1.1 200")
        with connection:
            connection.sendall(hello(f"{meant}.wild.example.test"))
            connection.recv(1)

    for asked, meant, comes in (("a", "a", True), ("a", "b", False)):
        _, heard = await asyncio.gather(asyncio.to_thread(use, asked, meant), asyncio.to_thread(listening.heard))
        assert bool(heard) is comes


async def test_without_the_one_who_looks_no_tunnel_opens_until_it_is_back(
    gateway: EnvoyGateway, listening: Listening
) -> None:
    host = f"{NAME}:{listening.port}"
    directory = await gateway.open("unwatched", rules(host), None)
    meter = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if "activities.egress.metering" in (line := process.info["cmdline"] or [])
        and any(str(directory.parents[1]) in word for word in line)
    )
    os.kill(meter.pid, signal.SIGKILL)
    meter.wait(10)
    connection, answer = await asyncio.to_thread(tunnel, directory, host)
    connection.close()
    assert answer.startswith(b"HTTP/1.1 503") and b"meter does not answer" in answer
    await gateway.ensure_running()
    connection, answer = await asyncio.to_thread(tunnel, directory, host)
    connection.close()
    assert answer.startswith(b"HTTP/1.1 200")
