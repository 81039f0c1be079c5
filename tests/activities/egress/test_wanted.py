"""What a sandbox was refused and people may be asked about: told at once, and open as soon as it is allowed."""

import asyncio
from pathlib import Path

from activities.egress.contract import EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.egress.records import new_lines, wanted_hosts
from tests.activities.egress.servers import WebServer, get, tunnel


async def wanted(gateway: EnvoyGateway, sandbox: str, seen: int = 0) -> tuple[tuple[str, ...], int]:
    """Envoy writes its log every hundredth of a second."""
    async with asyncio.timeout(10):
        while not (found := await gateway.wanted(sandbox, seen)).hosts:
            await asyncio.sleep(0.01)
    return found.hosts, found.seen


async def test_a_refused_name_is_told_once_and_reached_when_it_is_allowed(
    gateway: EnvoyGateway, web: WebServer
) -> None:
    host = f"api.example.test:{web.port}"
    rules = EgressRules(asks=True, allow_private=True)
    directory = await gateway.open("wants", rules, None)
    answer = await asyncio.to_thread(get, directory, host)
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"policy, not an outage" in answer and b"try once more" in answer
    connection, answer = await asyncio.to_thread(tunnel, directory, "other.example.test:443")
    connection.close()
    assert answer.startswith(b"HTTP/1.1 403")
    hosts, seen = await wanted(gateway, "wants")
    if len(hosts) < 2:
        more, seen = await wanted(gateway, "wants", seen)
        hosts += more
    assert hosts == (host, "other.example.test:443")
    assert (await gateway.wanted("wants", seen)).hosts == ()
    await gateway.change("wants", rules.model_copy(update={"hosts": (host,)}))
    assert (await asyncio.to_thread(get, directory, host, "/x")).startswith(b"HTTP/1.1 200")
    records = await gateway.close("wants")
    assert [(record.host, record.allowed, record.rule) for record in records] == [
        (host, False, "asked about"),
        ("other.example.test:443", False, "asked about"),
        (host, True, host),
    ]


async def test_where_nobody_is_asked_nothing_is_wanted(gateway: EnvoyGateway, web: WebServer) -> None:
    directory = await gateway.open("quiet", EgressRules(allow_private=True), None)
    answer = await asyncio.to_thread(get, directory, f"api.example.test:{web.port}")
    assert b"trying again does not help" in answer
    assert (await gateway.wanted("quiet", 0)).hosts == ()
    assert (await gateway.wanted("no such sandbox", 7)).seen == 7
    assert [record.rule for record in await gateway.close("quiet")] == ["refused"]


async def test_a_name_that_leads_to_a_private_address_is_nothing_to_ask_about(
    gateway: EnvoyGateway, web: WebServer
) -> None:
    host = f"api.example.test:{web.port}"
    directory = await gateway.open("private", EgressRules(hosts=(host,), asks=True), None)
    assert b"private address" in await asyncio.to_thread(get, directory, host)
    records = await gateway.close("private")
    assert [record.rule for record in records] == ["private address"]


def test_half_a_line_waits_for_its_other_half_and_one_without_end_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntw")
    assert new_lines(log, 0) == ([b"one"], 4)
    assert new_lines(log, 4) == ([], 4)
    log.write_bytes(b"one\ntwo\n")
    assert new_lines(log, 4) == ([b"two"], 8)
    log.write_bytes(b"x" * (3 * 1024 * 1024))
    _, seen = new_lines(log, 0)
    assert seen == 1024 * 1024
    assert new_lines(tmp_path / "missing", 5) == ([], 5)
    (tmp_path / "link").symlink_to(log)
    assert new_lines(tmp_path / "link", 0) == ([], 0)
    assert wanted_hosts([b"{", b"[]", b'{"sandbox": 1}', b"\xff"], "s") == ()
