"""A sandbox reaches what its allowlist names and nothing else, however it asks."""

import asyncio
import ipaddress

import pytest

from activities.egress.contract import EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.egress.rules import RuleRefused, private_networks
from tests.activities.egress.conftest import NAMES
from tests.activities.egress.servers import WebServer, get, get_inside, send, tunnel


def rules(*hosts: str, allow_private: bool = True) -> EgressRules:
    return EgressRules(hosts=hosts, allow_private=allow_private)


async def test_an_allowed_name_is_reached_by_plain_http(gateway: EnvoyGateway, web: WebServer) -> None:
    directory = await gateway.open("plain", rules(f"api.example.test:{web.port}"), None)
    for host in (f"api.example.test:{web.port}", f"API.Example.Test:{web.port}", f"api.example.test.:{web.port}"):
        answer = await asyncio.to_thread(get, directory, host, "/models")
        assert answer.endswith(f"served /models for api.example.test:{web.port}".encode())


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_allowed_name_is_reached_through_a_tunnel(
    gateway: EnvoyGateway, secure: WebServer, version: str
) -> None:
    directory = await gateway.open("tunnel", rules(f"api.example.test:{secure.port}"), None)

    def ask() -> bytes:
        connection, head = tunnel(directory, f"api.example.test:{secure.port}", version)
        assert b" 200 " in head.splitlines()[0]
        return get_inside(connection, secure.certificate, "api.example.test", "/secret")

    assert (await asyncio.to_thread(ask)).endswith(b"served /secret for api.example.test")


async def test_a_refusal_says_that_it_is_policy_and_what_to_do(gateway: EnvoyGateway) -> None:
    directory = await gateway.open("refusal", rules("api.example.test"), None)
    answer = await asyncio.to_thread(get, directory, "other.example.test")
    assert answer.startswith(b"HTTP/1.1 403")
    for words in (b"other.example.test", b"policy, not an outage", b"A person can allow it"):
        assert words in answer
    connection, answer = await asyncio.to_thread(tunnel, directory, "other.example.test:443")
    connection.close()
    assert answer.startswith(b"HTTP/1.1 403") and b"policy, not an outage" in answer


async def test_a_name_that_does_not_resolve_is_told_apart_from_policy(gateway: EnvoyGateway) -> None:
    directory = await gateway.open("unresolved", rules("missing.example.test"), None)
    answer = await asyncio.to_thread(get, directory, "missing.example.test")
    assert answer.startswith(b"HTTP/1.1 503") and b"not policy" in answer


async def test_a_wildcard_allows_what_is_below_it_and_not_itself(gateway: EnvoyGateway, web: WebServer) -> None:
    port = web.port
    directory = await gateway.open("wildcard", rules(f"*.wild.example.test:{port}"), None)
    answer = await asyncio.to_thread(get, directory, f"any.wild.example.test:{port}")
    assert answer.startswith(b"HTTP/1.1 200")
    below = ("", "evil", "a/b.", "a@b.", "a?b.", "a\\b.", "a:1.", "[::1].", ".")
    for host in (*(f"{start}wild.example.test:{port}" for start in below), f"any.wild.example.test.evil:{port}"):
        answer = await asyncio.to_thread(get, directory, host)
        # Envoy itself finds some of them malformed.
        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")), host


@pytest.mark.parametrize(
    "request_head",
    [
        "GET / HTTP/1.1|Host: other.example.test:{port}",
        "GET http://other.example.test:{port}/ HTTP/1.1|Host: api.example.test:{port}",
        "GET http://api.example.test:{port}@other.example.test:{port}/ HTTP/1.1|Host: api.example.test:{port}",
        "GET http://other.example.test:{port}#api.example.test:{port}/ HTTP/1.1|Host: api.example.test:{port}",
        "GET http://other.example.test:{port}\\@api.example.test:{port}/ HTTP/1.1|Host: api.example.test:{port}",
        "GET / HTTP/1.1|Host: api.example.test:{port}@other.example.test:{port}",
        "GET / HTTP/1.1|Host: other.example.test:{port}|Host: api.example.test:{port}",
        "GET / HTTP/1.1|Host: api.example.test:{port}, other.example.test:{port}",
        "GET / HTTP/1.1|Host: other.example.test:{port} api.example.test:{port}",
        "GET / HTTP/1.1|Host: other.example.test:{port}.wild.example.test:{port}",
        "GET / HTTP/1.1|Host: other.example.test:{port}/.wild.example.test:{port}",
        "GET / HTTP/1.1|Host: other.example.test:{port}?.wild.example.test:{port}",
        "GET / HTTP/1.1|Host: other.example.test:{port}\\.wild.example.test:{port}",
        "GET / HTTP/1.1|Host: other.example.test:{port}\t.wild.example.test:{port}",
        "GET / HTTP/1.1|Host: 127.0.0.1:{port}",
        "GET / HTTP/1.1|Host: 127.1:{port}",
        "GET / HTTP/1.1|Host: 2130706433:{port}",
        "GET / HTTP/1.1|Host: 0x7f000001:{port}",
        "GET / HTTP/1.1|Host: [::1]:{port}",
        "GET / HTTP/1.1|Host: [::ffff:127.0.0.1]:{port}",
        "GET / HTTP/1.1|Host: localhost:{port}",
        "GET / HTTP/1.1|Host: api.example.test:1",
        "GET / HTTP/1.1|Host: api.example.test",
        "GET / HTTP/1.1|Host: api.example.test:0{port}",
        "GET / HTTP/1.1|Host: api.example.test..:{port}",
        "GET / HTTP/1.1|Host: ",
        "GET / HTTP/1.1|X-Nothing: 1",
        "GET / HTTP/1.0|X-Nothing: 1",
        "GET / HTTP/1.1|Host: other.example.test:{port}|X-Forwarded-Host: api.example.test:{port}",
        "GET / HTTP/1.1|Host: other.example.test:{port}|X-Envoy-Original-Dst-Host: 127.0.0.1:{port}",
        "CONNECT other.example.test:{port} HTTP/1.1|Host: api.example.test:{port}",
        "CONNECT other.example.test:{port} HTTP/1.1|Host: api.example.test:{port}|Upgrade: websocket",
        "CONNECT 127.0.0.1:{port} HTTP/1.1|Host: api.example.test:{port}",
        "CONNECT api.example.test:22 HTTP/1.1|Host: api.example.test:22",
        "CONNECT api.example.test HTTP/1.1|Host: api.example.test:{port}",
        "CONNECT http://api.example.test:{port}@other.example.test:{port}/ HTTP/1.1|Host: api.example.test:{port}",
        "CONNECT / HTTP/1.1|Host: other.example.test:{port}",
        "PRI * HTTP/2.0|",
    ],
)
async def test_no_trick_of_spelling_passes_the_allowlist(
    gateway: EnvoyGateway, web: WebServer, request_head: str
) -> None:
    directory = await gateway.open(
        "tricks", rules(f"api.example.test:{web.port}", f"*.wild.example.test:{web.port}"), None
    )
    web.seen.clear()
    lines = request_head.replace("{port}", str(web.port)).split("|")
    head = "\r\n".join([*lines, "Connection: close", "", ""])
    # What would come out of a tunnel, if one opened.
    inside = "GET /inside HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" if lines[0].startswith("CONNECT") else ""
    await asyncio.to_thread(send, directory, (head + inside).encode())
    assert web.seen == []


async def test_a_second_request_on_a_connection_is_judged_as_well(gateway: EnvoyGateway, web: WebServer) -> None:
    directory = await gateway.open("pipelined", rules(f"api.example.test:{web.port}"), None)
    web.seen.clear()
    first = f"GET /1 HTTP/1.1\r\nHost: api.example.test:{web.port}\r\n\r\n"
    second = f"GET /2 HTTP/1.1\r\nHost: other.example.test:{web.port}\r\nConnection: close\r\n\r\n"
    answer = await asyncio.to_thread(send, directory, (first + second).encode(), 2)
    assert b"served /1" in answer and b"HTTP/1.1 403" in answer
    assert web.seen == [f"GET api.example.test:{web.port} /1"]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("*") and name != "wild.example.test"])
async def test_a_name_that_leads_into_the_private_network_is_refused(
    gateway: EnvoyGateway, web: WebServer, name: str
) -> None:
    directory = await gateway.open("private", rules(f"{name}:{web.port}", allow_private=False), None)
    web.seen.clear()
    answer = await asyncio.to_thread(get, directory, f"{name}:{web.port}")
    assert answer.startswith(b"HTTP/1.1 403") and b"private address" in answer
    connection, answer = await asyncio.to_thread(tunnel, directory, f"{name}:{web.port}")
    connection.close()
    assert answer.startswith(b"HTTP/1.1 403") and b"private address" in answer
    assert web.seen == []


async def test_private_addresses_are_open_to_no_other_sandbox(gateway: EnvoyGateway, web: WebServer) -> None:
    host = f"api.example.test:{web.port}"
    trusted = await gateway.open("trusted", rules(host), None)
    confined = await gateway.open("confined", rules(host, allow_private=False), None)
    for _ in range(3):
        assert (await asyncio.to_thread(get, trusted, host)).startswith(b"HTTP/1.1 200")
        assert (await asyncio.to_thread(get, confined, host)).startswith(b"HTTP/1.1 403")


def test_documentation_addresses_are_not_taken_for_private_ones() -> None:
    for text in ("192.0.2.1", "198.51.100.1", "203.0.113.80", "2001:db8::1", "8.8.8.8", "2606:4700::1"):
        assert not any(ipaddress.ip_address(text) in network for network in private_networks()), text
    for text in ("127.0.0.1", "::1", "10.1.2.3", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"):
        assert any(ipaddress.ip_address(text) in network for network in private_networks()), text


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "[::1]", "::1", "0x7f000001", "*.com", "*", "", "a b", "a:0", "a:http", "a:99999", "a/b"],
)
async def test_a_rule_that_is_no_name_is_refused_before_anything_opens(gateway: EnvoyGateway, host: str) -> None:
    with pytest.raises(RuleRefused, match="refused the egress rule"):
        await gateway.open("never", rules(host), None)
    assert await gateway.close("never") == ()


async def test_a_sandbox_without_rules_reaches_nothing(gateway: EnvoyGateway, web: WebServer) -> None:
    directory = await gateway.open("nothing", EgressRules(), None)
    assert (await asyncio.to_thread(get, directory, f"api.example.test:{web.port}")).startswith(b"HTTP/1.1 403")


async def test_changed_rules_hold_at_once_and_cut_no_open_stream(
    gateway: EnvoyGateway, web: WebServer, secure: WebServer
) -> None:
    host, tunnelled = f"api.example.test:{web.port}", f"api.example.test:{secure.port}"
    directory = await gateway.open("changing", rules(host, tunnelled), None)
    connection, head = await asyncio.to_thread(tunnel, directory, tunnelled)
    assert head.startswith(b"HTTP/1.1 200")
    await gateway.change("changing", rules(f"other.example.test:{web.port}"))
    assert (await asyncio.to_thread(get, directory, host)).startswith(b"HTTP/1.1 403")
    assert (await asyncio.to_thread(get, directory, f"other.example.test:{web.port}")).startswith(b"HTTP/1.1 200")
    answer = await asyncio.to_thread(get_inside, connection, secure.certificate, "api.example.test", "/still")
    assert b"served /still" in answer
