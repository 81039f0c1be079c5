"""One sandbox can't take the way out from the others, however much it opens, sends or asks for at once."""

import asyncio
import json
import select
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from activities.egress.bounds import CONNECTIONS_OPEN, HEADERS_KB
from activities.egress.daemon import wait_for
from activities.egress.gateway import EnvoyGateway
from activities.egress.metering.sandbox import MOST_AT_ONCE, MOST_WAITING
from activities.egress.unix_http import ask
from tests.activities.egress.providers import (
    Provider,
    anthropic_message,
    anthropic_stream,
    brokered,
    plain,
    post,
    provider,
    service,
    streamed,
)
from tests.activities.egress.servers import WebServer, dial, get, send
from tests.activities.egress.test_gateway import envoys, host_rules
from workflows.models.usage import Allowance


@pytest.fixture
def upstream() -> Iterator[Provider]:
    with provider() as server:
        server.answer = plain(anthropic_message())
        yield server


@pytest.fixture
async def broker(directory: Path, resolver: str) -> AsyncIterator[EnvoyGateway]:
    # Requests that wait keep a thread each.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(128))
    gateway = EnvoyGateway(directory, resolvers=[resolver], credentials={"anthropic": None})
    yield gateway
    await gateway.stop()


def closed(connections: list[socket.socket]) -> int:
    """How many of those that sent nothing were closed by the gateway."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return len(poll.poll(0))


async def test_a_sandbox_that_opens_connections_without_end_keeps_no_other_from_the_way_out(
    own_gateway: EnvoyGateway, directory: Path, web: WebServer
) -> None:
    host = f"api.example.test:{web.port}"
    greedy = await own_gateway.open("greedy", host_rules(web), None)
    other = await own_gateway.open("other", host_rules(web), None)
    (before,) = envoys(directory)
    with ExitStack() as kept:
        opened = [kept.enter_context(dial(greedy)) for _ in range(CONNECTIONS_OPEN + 50)]
        assert await asyncio.to_thread(wait_for, lambda: closed(opened) >= 50, 10)
        assert closed(opened) == 50
        assert await asyncio.to_thread(get, greedy, host) == b""
        assert (await asyncio.to_thread(get, other, host)).startswith(b"HTTP/1.1 200")
        await own_gateway.ensure_running()
    assert [envoy.pid for envoy in envoys(directory)] == [before.pid]
    assert await asyncio.to_thread(wait_for, lambda: get(greedy, host).startswith(b"HTTP/1.1 200"), 10)


def test_all_sandboxes_together_leave_envoy_files_enough_to_answer_its_worker(directory: Path, resolver: str) -> None:
    program = f"""
        import asyncio, contextlib, pathlib, resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))
        from activities.egress.contract import EgressRules
        from activities.egress.daemon import wait_for
        from activities.egress.gateway import EnvoyGateway
        from tests.activities.egress.servers import dial
        from tests.activities.egress.test_bounds import closed

        async def main():
            directory = pathlib.Path({str(directory)!r})
            gateway = EnvoyGateway(directory, resolvers=[{resolver!r}])
            try:
                sockets = [await gateway.open(f"s{{n}}", EgressRules(), None) for n in range(3)]
                with contextlib.ExitStack() as kept:
                    opened = [kept.enter_context(dial(each)) for each in sockets for _ in range(250)]
                    assert await asyncio.to_thread(wait_for, lambda: closed(opened) >= 750 - 512, 10), closed(opened)
                    record = (directory / "kept" / "envoy.json").read_text()
                    await gateway.ensure_running()
                    # The same Envoy: it answered, so that it was not taken for dead.
                    assert (directory / "kept" / "envoy.json").read_text() == record
            finally:
                await gateway.stop()

        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr


async def test_headers_are_bounded_before_they_fill_the_memory(
    own_gateway: EnvoyGateway, directory: Path, web: WebServer
) -> None:
    host = f"api.example.test:{web.port}"
    sockets = await own_gateway.open("s", host_rules(web), None)

    def with_header(size: int) -> bytes:
        head = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-Long: {'x' * size}\r\n\r\n"
        return send(sockets, head.encode())

    assert (await asyncio.to_thread(with_header, (HEADERS_KB - 1) * 1024)).startswith(b"HTTP/1.1 200")
    assert (await asyncio.to_thread(with_header, HEADERS_KB * 1024)).startswith(b"HTTP/1.1 431")


async def test_envoy_holds_itself_to_its_memory_and_no_cluster_to_what_one_sandbox_could_use_up(
    broker: EnvoyGateway, directory: Path, web: WebServer, upstream: Provider
) -> None:
    rules = brokered(service(f"http://api.example.test:{upstream.port}"))
    sockets = await broker.open("s", rules.model_copy(update={"hosts": host_rules(web).hosts}), None)
    assert (await asyncio.to_thread(get, sockets, f"api.example.test:{web.port}")).startswith(b"HTTP/1.1 200")
    admin = directory / "envoy" / "admin.sock"

    def asked(target: str) -> str:
        return ask(admin, "localhost", target)[1]

    clusters = (await asyncio.to_thread(asked, "/clusters")).splitlines()
    # The provider's, the allowed host's own and the meter's, with four thresholds each.
    thresholds = [line for line in clusters if "::default_priority::max_" in line]
    assert len(thresholds) >= 12 and all(line.endswith("::65536") for line in thresholds)
    stats = await asyncio.to_thread(asked, "/stats?filter=overload")
    assert "envoy.resource_monitors.fixed_heap.pressure" in stats
    assert "envoy.overload_actions.reject_incoming_connections.active: 0" in stats
    (idle,) = {
        each["typed_config"]["common_http_protocol_options"]["idle_timeout"]
        for each in json.loads(await asyncio.to_thread(asked, "/config_dump?resource=dynamic_listeners"))["configs"][0][
            "active_state"
        ]["listener"]["filter_chains"][0]["filters"]
        if each["name"].endswith("http_connection_manager")
    }
    assert idle == "60s"


async def test_a_sandbox_with_many_slow_requests_leaves_the_provider_to_the_others(
    broker: EnvoyGateway, upstream: Provider
) -> None:
    go_on = threading.Event()
    upstream.answer = lambda asked: (
        streamed(*anthropic_stream(), go_on=go_on) if b"slow" in asked.body else plain(anthropic_message())
    )
    rules = brokered(service(f"http://api.example.test:{upstream.port}"))
    greedy, other = [await broker.open(name, rules, None) for name in ("greedy", "other")]
    slow = b'{"model": "cheap", "max_tokens": 50, "slow": true}'
    over = 12
    asking = [
        asyncio.create_task(asyncio.to_thread(post, greedy, slow)) for _ in range(MOST_AT_ONCE + MOST_WAITING + over)
    ]
    refused = 0
    async with asyncio.timeout(30):
        for ended in asyncio.as_completed(asking):
            answer = await ended
            assert answer.startswith(b"HTTP/1.1 429"), answer
            assert b"retry-after: 5" in answer and b"this sandbox's own bound and not the provider's" in answer
            refused += 1
            if refused == over:
                break
    assert await asyncio.to_thread(wait_for, lambda: len(upstream.asked) >= MOST_AT_ONCE, 10)
    assert (await asyncio.to_thread(post, other)).startswith(b"HTTP/1.1 200")
    assert sum(b"slow" in asked.body for asked in upstream.asked) == MOST_AT_ONCE
    # Nobody has to be asked about that: it is no limit of the task's.
    assert (await broker.metered("greedy")).held == ""
    go_on.set()
    answers = await asyncio.gather(*asking)
    assert sum(b"message_stop" in answer for answer in answers) == MOST_AT_ONCE + MOST_WAITING
    assert (await broker.metered("greedy")).requests == MOST_AT_ONCE + MOST_WAITING
    records = await broker.close("greedy")
    assert sum((r.allowed, r.rule, r.status) == (False, "over its bound", 429) for r in records) == over


async def test_of_requests_that_a_cap_holds_no_more_than_a_few_wait(broker: EnvoyGateway, upstream: Provider) -> None:
    rules = brokered(service(f"http://api.example.test:{upstream.port}"), allowance=Allowance(requests=0))
    sockets = await broker.open("s", rules, None)
    over = 8
    asking = [asyncio.create_task(asyncio.to_thread(post, sockets)) for _ in range(MOST_WAITING + over)]
    async with asyncio.timeout(20):
        while sum(task.done() for task in asking) < over:
            await asyncio.wait([task for task in asking if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    assert all(b"its allowance is used up" in task.result() for task in asking if task.done())
    assert (await broker.metered("s")).held == "requests"
    assert sum(task.done() for task in asking) == over and upstream.asked == []
    await broker.grant("s", Allowance())
    answers = await asyncio.gather(*asking)
    assert sum(answer.startswith(b"HTTP/1.1 200") for answer in answers) == MOST_WAITING


async def test_requests_at_once_do_not_pass_a_cap_that_one_of_them_may_reach(
    broker: EnvoyGateway, upstream: Provider
) -> None:
    go_on = threading.Event()
    upstream.answer = streamed(*anthropic_stream(output=1000), go_on=go_on)
    rules = brokered(service(f"http://api.example.test:{upstream.port}"), allowance=Allowance(micro_usd=5000))
    sockets = await broker.open("s", rules, None)
    body = b'{"model": "cheap", "max_tokens": 1000}'
    asking = [asyncio.create_task(asyncio.to_thread(post, sockets, body)) for _ in range(10)]
    assert await asyncio.to_thread(upstream.began.acquire, timeout=10)
    assert (await broker.metered("s")).held == ""
    go_on.set()
    # The first one costs more than the cap, so that the others are held and somebody is asked.
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    async with asyncio.timeout(20):
        while (await broker.metered("s")).held != "micro_usd":
            pass
    assert len(upstream.asked) == 1
    assert sum(task.done() for task in asking) == 1
    await broker.close("s")
    await asyncio.gather(*asking)


@pytest.mark.parametrize(
    ("body", "output"),
    [
        (b'{"model": "cheap", "messages": [{"content": "max_tokens"}], "max_tokens": 1500}', 1500),
        (b'{"model": "cheap", "max_completion_tokens": 1500, "max_tokens": 20, "n": 4}', 6000),
        (b'{"model": "cheap", "max_tokens": 10}', 1000),
        (b'{"model": "cheap"}', 32_000),
    ],
    ids=["as asked for", "times the answers", "at least what was seen", "nothing stated"],
)
async def test_a_request_cut_by_its_client_counts_what_it_may_have_cost(
    broker: EnvoyGateway, upstream: Provider, body: bytes, output: int
) -> None:
    go_on = threading.Event()
    pieces = anthropic_stream(text="x" * 3000)
    upstream.answer = streamed(pieces[0] + pieces[1], *pieces[2:], go_on=go_on)
    sockets = await broker.open("s", brokered(service(f"http://api.example.test:{upstream.port}")), None)

    def cut() -> None:
        with dial(sockets) as connection:
            head = (
                f"POST /v1/messages HTTP/1.1\r\nHost: anthropic.model.internal\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body)
            received = b""
            while b"xxx" not in received:
                received += connection.recv(65536)

    await asyncio.to_thread(cut)
    (record,) = await broker.close("s")
    go_on.set()
    used = await broker.metered("s")
    assert (used.requests, used.input_tokens, used.output_tokens, used.estimated) == (1, 100, output, True)
    assert used.micro_usd == 100 + 20 // 10 + 10 + 5 * output
    assert record.metered == used
