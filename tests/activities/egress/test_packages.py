"""A set-up gets files of packages from the gateway: those that were listed, by exactly their paths, and no others."""

import asyncio
import time

import pytest

from activities.egress.contract import EgressRules, PackageFile, PackageHost, PackagePage
from activities.egress.gateway import EnvoyGateway
from activities.egress.rules import RuleRefused
from activities.environment.offers import PYPI_HOST
from tests.activities.egress.servers import WebServer, get, send, tunnel

HOST = PYPI_HOST
INDEX = PackagePage(path="/simple/tiny/", media_type="text/html", body="<a href='/files/1/tiny-1.0.whl'>tiny</a>" * 500)


def packages(url: str, *, private: bool = True, path: str = "/files/1/tiny-1.0.whl") -> EgressRules:
    host = PackageHost(host=HOST, pages=(INDEX,), files=(PackageFile(path=path, url=url, private=private),))
    return EgressRules(packages=(host,))


async def test_a_listed_file_is_fetched_from_its_registry_and_a_page_from_nowhere(
    gateway: EnvoyGateway, web: WebServer
) -> None:
    web.seen.clear()
    url = f"http://api.example.test:{web.port}/mirror/ab/cd/tiny-1.0%2Blocal.whl"
    directory = await gateway.open("packages", packages(url), None)
    page = await asyncio.to_thread(get, directory, HOST, "/simple/tiny/")
    head, _, body = page.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"content-type: text/html\r\n" in head.lower() + b"\r\n"
    assert body.decode() == INDEX.body
    assert web.seen == []
    for host in (HOST, f"{HOST}:80", HOST.upper()):
        answer = await asyncio.to_thread(get, directory, host, "/files/1/tiny-1.0.whl")
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"served /mirror/ab/cd/tiny-1.0%2Blocal.whl for api.example.test" in answer
    records = await gateway.close("packages")
    assert {(record.allowed, record.host) for record in records} == {(True, f"{HOST}:80")}
    # Who gave it: nobody but the gateway, or the registry.
    of_registry = f"locked packages of api.example.test:{web.port}"
    assert [record.rule for record in records] == ["locked packages", *[of_registry] * 3]
    assert [record.path for record in records] == ["/simple/tiny/", *["/files/1/tiny-1.0.whl"] * 3]


async def test_a_listed_file_is_fetched_over_tls_from_a_registry_that_proves_its_name(
    directory: object, secure: WebServer, resolver: str
) -> None:
    assert secure.certificate is not None
    gateway = EnvoyGateway(directory, resolvers=[resolver], authorities=secure.certificate)  # type: ignore[arg-type]
    try:
        for name, status in (("api.example.test", b"200"), ("any.wild.example.test", b"503")):
            url = f"https://{name}:{secure.port}/x/tiny-1.0.whl"
            sockets = await gateway.open(name, packages(url), None)
            answer = await asyncio.to_thread(get, sockets, HOST, "/files/1/tiny-1.0.whl")
            assert answer.split()[1] == status, answer
    finally:
        await gateway.stop()


@pytest.mark.parametrize(
    "request_line",
    [
        "GET http://{host}/files/1/tiny-1.1.whl HTTP/1.1",
        "GET http://{host}/files/1/tiny-1.0.whl?told=secret HTTP/1.1",
        "GET http://{host}/files/1/tiny-1.0.whl/ HTTP/1.1",
        "GET http://{host}/files/1//tiny-1.0.whl HTTP/1.1",
        "GET http://{host}/files/2/../1/tiny-1.0.whl HTTP/1.1",
        "GET http://{host}/files/1/tiny-1%2e0.whl HTTP/1.1",
        "GET http://{host}/FILES/1/tiny-1.0.whl HTTP/1.1",
        "GET http://{host}/simple/tiny HTTP/1.1",
        "GET http://{host}/simple/other/ HTTP/1.1",
        "GET http://{host}:8080/files/1/tiny-1.0.whl HTTP/1.1",
        "GET http://api.example.test:{port}/mirror/tiny-1.0.whl HTTP/1.1",
        "POST http://{host}/files/1/tiny-1.0.whl HTTP/1.1",
        "PUT http://{host}/files/1/tiny-1.0.whl HTTP/1.1",
        "DELETE http://{host}/simple/tiny/ HTTP/1.1",
        "GET http://{host}/files/1/tiny-1.0.whl HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket",
    ],
)
async def test_all_else_is_refused_and_the_registry_hears_nothing_of_it(
    gateway: EnvoyGateway, web: WebServer, request_line: str
) -> None:
    web.seen.clear()
    directory = await gateway.open("narrow", packages(f"http://api.example.test:{web.port}/mirror/tiny-1.0.whl"), None)
    line = request_line.format(host=HOST, port=web.port)
    host = line.split("/")[2]
    answer = await asyncio.to_thread(send, directory, f"{line}\r\nHost: {host}\r\n\r\n".encode())
    assert answer.split()[1] in (b"403", b"400"), answer
    assert web.seen == []
    records = await gateway.close("narrow")
    await gateway.forget("narrow")
    assert records and not any(record.allowed for record in records)


async def test_a_refusal_says_that_only_locked_files_are_given(gateway: EnvoyGateway, web: WebServer) -> None:
    directory = await gateway.open("told", packages(f"http://api.example.test:{web.port}/tiny-1.0.whl"), None)
    answer = await asyncio.to_thread(get, directory, HOST, "/simple/evil/")
    for words in (f"GET /simple/evil/ at {HOST}".encode(), b"lock files pin", b"policy, not an outage"):
        assert words in answer
    connection, answer = await asyncio.to_thread(tunnel, directory, f"{HOST}:80")
    connection.close()
    assert answer.startswith(b"HTTP/1.1 403")
    records = await gateway.close("told")
    assert [(record.allowed, record.rule) for record in records] == [(False, "not locked")] * 2


async def test_a_registry_at_a_private_address_is_asked_only_where_that_is_allowed(
    gateway: EnvoyGateway, web: WebServer
) -> None:
    url = f"http://api.example.test:{web.port}/tiny-1.0.whl"
    directory = await gateway.open("private", packages(url, private=False), None)
    answer = await asyncio.to_thread(get, directory, HOST, "/files/1/tiny-1.0.whl")
    assert b" 403 " in answer.splitlines()[0] and b"private address" in answer
    (record,) = await gateway.close("private")
    assert (record.allowed, record.rule) == (False, "private address")


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("files/x", "http://api.example.test/x"),
        ("/files/../x", "http://api.example.test/x"),
        ("/files/%2e%2E/x", "http://api.example.test/x"),
        ("/files//x", "http://api.example.test/x"),
        ("/files/x?y", "http://api.example.test/x"),
        ("/files/x\r\ny", "http://api.example.test/x"),
        ("/simple/tiny/", "http://api.example.test/x"),
        ("/x", "http://user:word@api.example.test/x"),
        ("/x", "http://api.example.test/x?token=1"),
        ("/x", "http://api.example.test/../x"),
        ("/x", "http://api.example.test:99999999/x"),
        ("/x", "file:///etc/passwd"),
        ("/x", "//api.example.test/x"),
        ("/x", "http:///x"),
        # Envoy takes none of these as the address of a cluster, or resolves what nobody meant.
        ("/x", "http://[fe80::1%25eth0]/x"),
        ("/x", "http://a b.example.test/x"),
        ("/x", "http://\u00e9.example.test/x"),
        ("/x", "http://\ud800/x"),
        ("/x", "http://a%00.example.test/x"),
        ("/x", f"http://{'a' * 300}/x"),
        ("/x", f"http://{'a.' * 150}test/x"),
        ("/x", "http://*/x"),
    ],
)
async def test_a_file_that_can_not_be_offered_as_it_is_written_is_refused(
    gateway: EnvoyGateway, path: str, url: str
) -> None:
    with pytest.raises(RuleRefused, match="refused"):
        await gateway.open("bad", packages(url, path=path), None)
    assert await gateway.close("bad") == ()


async def test_files_at_more_servers_than_a_gateway_should_watch_are_refused(gateway: EnvoyGateway) -> None:
    files = tuple(PackageFile(path=f"/{n}", url=f"http://h{n}.example.test/x") for n in range(33))
    with pytest.raises(RuleRefused, match="more than 32 servers"):
        await gateway.open("many", EgressRules(packages=(PackageHost(host=HOST, files=files),)), None)


async def test_more_files_than_a_gateway_takes_in_without_falling_silent_are_refused(gateway: EnvoyGateway) -> None:
    files = tuple(PackageFile(path=f"/{n}", url="http://api.example.test/x") for n in range(40_001))
    with pytest.raises(RuleRefused, match="40,000 files at most"):
        await gateway.open("many", EgressRules(packages=(PackageHost(host=HOST, files=files),)), None)


async def test_ten_thousand_files_of_one_sandbox_hold_up_no_other(gateway: EnvoyGateway) -> None:
    files = tuple(PackageFile(path=f"/{n}", url=f"http://127.0.0.1:9/{n}") for n in range(10_000))
    await gateway.open("small", EgressRules(), None)
    opening = time.monotonic()
    await gateway.open("large", EgressRules(packages=(PackageHost(host=HOST, files=files),)), None)
    opening = time.monotonic() - opening
    beside = time.monotonic()
    await gateway.open("other", EgressRules(), None)
    await gateway.close("other")
    beside = time.monotonic() - beside
    await gateway.close("large")
    await gateway.close("small")
    # What is open already is neither made nor asked again: 0.2 seconds to 3.
    assert beside < opening / 2, (beside, opening)
