"""What a sandbox uses is counted at the gateway, and its allowance holds, whatever dies in between."""

import asyncio
import gzip
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from activities.egress.contract import EgressRules, Endpoint, UsageDialect
from activities.egress.daemon import wait_for
from activities.egress.gateway import EnvoyGateway
from activities.egress.places import GatewayError
from tests.activities.egress.providers import (
    HOST,
    MESSAGES,
    Answer,
    Provider,
    anthropic_message,
    anthropic_stream,
    brokered,
    event,
    exchange,
    plain,
    post,
    provider,
    service,
    streamed,
)
from tests.activities.egress.servers import dial
from workflows.models.usage import Allowance, Metered

NO_KEY = {"anthropic": None}


@pytest.fixture
def upstream() -> Iterator[Provider]:
    with provider() as server:
        server.answer = plain(anthropic_message())
        yield server


@pytest.fixture
async def meter(directory: Path, resolver: str) -> AsyncIterator[EnvoyGateway]:
    # Requests that are held keep a thread each, and there are more of them than a small machine's default has.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64))
    gateway = EnvoyGateway(directory, resolvers=[resolver], credentials=NO_KEY)
    yield gateway
    await gateway.stop()


def rules(
    upstream: Provider, allowance: Allowance | None = None, dialect: UsageDialect = UsageDialect.ANTHROPIC_MESSAGES
) -> EgressRules:
    return brokered(service(f"http://api.example.test:{upstream.port}", dialect), allowance=allowance)


def kill(directory: Path, record: str) -> None:
    pid = json.loads((directory / "kept" / record).read_text())["pid"]
    os.kill(pid, signal.SIGKILL)


async def until(condition: Callable[[], bool]) -> None:
    assert await asyncio.to_thread(wait_for, condition, 20)


async def until_held(gateway: EnvoyGateway, sandbox: str, limit: str) -> None:
    async with asyncio.timeout(20):
        while (await gateway.metered(sandbox)).held != limit:
            pass


def openai_chat(**usage: object) -> dict[str, object]:
    stated = {"prompt_tokens": 128, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 28}}
    return {"object": "chat.completion", "model": "cheap-2026-01-02", "usage": {**stated, **usage}}


def openai_response() -> dict[str, object]:
    usage = {"input_tokens": 128, "output_tokens": 50, "input_tokens_details": {"cached_tokens": 28}}
    return {"object": "response", "model": "cheap", "usage": usage}


CHAT_STREAM = (
    event({"object": "chat.completion.chunk", "model": "cheap", "choices": [{"delta": {"content": "hi"}}]}),
    event({**openai_chat(), "choices": []}),
    b"data: [DONE]\n\n",
)
RESPONSES_STREAM = (
    event({"type": "response.created", "response": {"object": "response", "model": "cheap", "usage": None}}),
    event({"type": "response.output_text.delta", "delta": "hi"}),
    event({"type": "response.completed", "response": openai_response()}),
)
ANTHROPIC, CHAT, RESPONSES = UsageDialect.ANTHROPIC_MESSAGES, UsageDialect.OPENAI_CHAT, UsageDialect.OPENAI_RESPONSES
TWENTY_EIGHT_CACHED = {"input_tokens": 100, "cache_read_tokens": 28, "output_tokens": 50, "micro_usd": 353}


def zipped(*pieces: bytes, kind: str) -> Answer:
    return Answer(pieces=(gzip.compress(b"".join(pieces)),), headers={"content-type": kind, "content-encoding": "gzip"})


@pytest.mark.parametrize(
    ("dialect", "answer", "expected"),
    [
        (
            ANTHROPIC,
            streamed(*anthropic_stream()),
            {
                "input_tokens": 100,
                "cache_read_tokens": 20,
                "cache_write_tokens": 8,
                "output_tokens": 50,
                "micro_usd": 362,
            },
        ),
        (ANTHROPIC, plain(anthropic_message()), {"input_tokens": 100, "output_tokens": 50, "micro_usd": 350}),
        (CHAT, streamed(*CHAT_STREAM), TWENTY_EIGHT_CACHED),
        (CHAT, plain(openai_chat()), TWENTY_EIGHT_CACHED),
        (RESPONSES, streamed(*RESPONSES_STREAM), TWENTY_EIGHT_CACHED),
        (RESPONSES, plain(openai_response()), TWENTY_EIGHT_CACHED),
        (CHAT, zipped(*CHAT_STREAM, kind="text/event-stream"), TWENTY_EIGHT_CACHED),
        (CHAT, zipped(json.dumps(openai_chat()).encode(), kind="application/json"), TWENTY_EIGHT_CACHED),
        # In pieces that end anywhere, with the other line ends.
        (
            CHAT,
            streamed(*(bytes([b]) for b in b"".join(CHAT_STREAM).replace(b"\n", b"\r\n"))),
            TWENTY_EIGHT_CACHED,
        ),
    ],
)
async def test_each_dialect_is_counted_as_the_provider_states_it(
    meter: EnvoyGateway, upstream: Provider, dialect: UsageDialect, answer: Answer, expected: dict[str, int]
) -> None:
    upstream.answer = answer
    sockets = await meter.open("s", rules(upstream, dialect=dialect), None)
    received = await asyncio.to_thread(post, sockets, b"{}")
    size = sum(map(len, answer.pieces))
    used = await meter.metered("s")
    assert used == Metered(requests=1, bytes=size + 2, price_version="test-1", **expected)
    assert received.startswith(b"HTTP/1.1 200")
    (record,) = await meter.close("s")
    assert (record.model.startswith("cheap"), record.metered) == (True, used)
    assert await meter.metered("s") == used
    await meter.forget("s")
    assert await meter.metered("s") == Metered()


async def test_an_answer_streams_while_it_is_counted(meter: EnvoyGateway, upstream: Provider) -> None:
    go_on = threading.Event()
    upstream.answer = streamed(*anthropic_stream(), go_on=go_on)
    sockets = await meter.open("s", rules(upstream), None)

    def read_first() -> bytes:
        with dial(sockets) as connection:
            connection.sendall(f"POST {MESSAGES} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n".encode())
            received = b""
            while b"message_start" not in received:
                received += connection.recv(65536)
            return received

    assert b"message_stop" not in await asyncio.to_thread(read_first)
    used = await meter.metered("s")
    assert (used.requests, used.input_tokens, used.estimated) == (1, 100, True)
    go_on.set()


@pytest.mark.parametrize("limit", ["micro_usd", "tokens", "requests", "bytes"])
async def test_a_limit_that_is_reached_holds_the_next_request_until_more_is_granted(
    meter: EnvoyGateway, upstream: Provider, limit: str
) -> None:
    sockets = await meter.open("s", rules(upstream, Allowance(**{limit: 1})), None)
    assert (await asyncio.to_thread(post, sockets)).startswith(b"HTTP/1.1 200")
    assert (await meter.metered("s")).held == ""
    held = asyncio.create_task(asyncio.to_thread(post, sockets))
    await until_held(meter, "s", limit)
    # Opening again, as a retried step does, takes nothing back and grants nothing.
    await meter.open("s", rules(upstream, Allowance(**{limit: 10**9})), None)
    assert (await meter.metered("s")).held == limit
    assert len(upstream.asked) == 1 and not held.done()
    await meter.grant("s", Allowance(**{limit: 10**6}))
    assert (await held).startswith(b"HTTP/1.1 200")
    used = await meter.metered("s")
    assert (used.requests, used.held) == (2, "")
    with pytest.raises(GatewayError, match="open one first"):
        await meter.grant("unknown", Allowance())


async def test_a_request_that_is_held_until_its_sandbox_closes_is_on_record_and_never_sent(
    meter: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await meter.open("s", rules(upstream, Allowance(requests=0)), None)
    held = asyncio.create_task(asyncio.to_thread(post, sockets))
    await until_held(meter, "s", "requests")
    (record,) = await meter.close("s")
    assert await held == b""
    assert (record.rule, record.status, record.metered, record.path) == ("held", 0, None, MESSAGES)
    assert upstream.asked == []
    assert await meter.metered("s") == Metered()


async def test_of_many_requests_at_once_each_is_counted_once(meter: EnvoyGateway, upstream: Provider) -> None:
    upstream.answer = streamed(*anthropic_stream(), go_on=None)
    sockets = await meter.open("s", rules(upstream), None)
    await asyncio.gather(*(asyncio.to_thread(post, sockets) for _ in range(20)))
    used = await meter.metered("s")
    assert (used.requests, used.input_tokens, used.output_tokens) == (20, 2000, 1000)
    assert used.micro_usd == 20 * 362
    assert sum(record.metered.micro_usd for record in await meter.close("s") if record.metered) == used.micro_usd


async def test_many_requests_at_once_go_beyond_a_limit_by_their_own_answers_only(
    meter: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await meter.open("s", rules(upstream, Allowance(requests=5)), None)
    waiting = [asyncio.create_task(asyncio.to_thread(post, sockets)) for _ in range(20)]
    await until_held(meter, "s", "requests")
    await until(lambda: sum(task.done() for task in waiting) == 5)
    assert len(upstream.asked) == 5
    await meter.grant("s", Allowance(requests=8))
    await until(lambda: sum(task.done() for task in waiting) == 8)
    assert len(upstream.asked) == 8
    # One that spends it all, while three are under way: the fourth waits.
    await meter.grant("s", Allowance())
    await asyncio.gather(*waiting)
    assert (await meter.metered("s")).requests == 20


async def test_one_sandbox_s_limit_holds_no_other_back(meter: EnvoyGateway, upstream: Provider) -> None:
    first = await meter.open("first", rules(upstream, Allowance(requests=0)), None)
    second = await meter.open("second", rules(upstream, Allowance(requests=1)), None)
    held = asyncio.create_task(asyncio.to_thread(post, first))
    await until_held(meter, "first", "requests")
    assert (await asyncio.to_thread(post, second)).startswith(b"HTTP/1.1 200")
    await meter.close("first")
    await held
    assert (await meter.metered("second")).requests == 1


@pytest.mark.parametrize("answer", [streamed(b"data: {}\n\n", cut=True), streamed(cut=True), plain({}), plain([])])
async def test_an_answer_that_states_no_usage_is_estimated_and_not_free(
    meter: EnvoyGateway, upstream: Provider, answer: Answer
) -> None:
    upstream.answer = answer
    sockets = await meter.open("s", rules(upstream), None)
    await asyncio.to_thread(post, sockets, b"x" * 3000)
    await meter.close("s")
    used = await meter.metered("s")
    assert (used.input_tokens, used.estimated) == (1000, True)
    # No model was named either: the dearest.
    assert used.micro_usd >= 10_000


async def test_what_costs_nothing_and_what_the_provider_refuses_is_counted_as_a_request_alone(
    meter: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await meter.open("s", rules(upstream), None)
    await asyncio.to_thread(post, sockets, b"", "/v1/models", HOST, "GET")
    upstream.answer = plain({"type": "error"}, status=429)
    await asyncio.to_thread(post, sockets, b"x" * 3000)
    used = await meter.metered("s")
    assert (used.requests, used.input_tokens, used.output_tokens, used.micro_usd) == (2, 0, 0, 0)
    assert used.bytes > 3000 and not used.estimated


async def test_the_model_that_answers_sets_the_price_and_not_the_one_that_was_asked_for(
    meter: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await meter.open("s", rules(upstream), None)
    for model, cost in (("dear-20260101", 3500), ("cheap", 350), ("dearest-of-all", 3500)):
        upstream.answer = plain(anthropic_message(model))
        before = (await meter.metered("s")).micro_usd
        await asyncio.to_thread(post, sockets, b'{"model": "cheap"}')
        assert (await meter.metered("s")).micro_usd - before == cost
    assert (await meter.metered("s")).estimated


async def test_without_prices_tokens_count_all_the_same(meter: EnvoyGateway, upstream: Provider) -> None:
    free = service(f"http://api.example.test:{upstream.port}", prices={}, price_version="")
    sockets = await meter.open("s", brokered(free, allowance=Allowance(tokens=100)), None)
    await asyncio.to_thread(post, sockets)
    used = await meter.metered("s")
    assert (used.input_tokens, used.micro_usd, used.estimated, used.price_version) == (100, 0, False, "")
    held = asyncio.create_task(asyncio.to_thread(post, sockets))
    await until_held(meter, "s", "tokens")
    await meter.close("s")
    await held


@pytest.mark.parametrize("victim", ["envoy.json", "meter.json"])
async def test_usage_and_limits_survive_the_death_of_either_process_in_mid_stream(
    meter: EnvoyGateway, directory: Path, resolver: str, upstream: Provider, victim: str
) -> None:
    sockets = await meter.open("s", rules(upstream, Allowance(requests=2)), None)
    await asyncio.to_thread(post, sockets)
    go_on = threading.Event()
    pieces = anthropic_stream(text="x" * 300)
    upstream.answer = streamed(pieces[0] + pieces[1], *pieces[2:], go_on=go_on)
    assert upstream.began.acquire(timeout=10)
    # What was seen is as much as may come, so that it counts the same whichever process noted it last.
    cut = asyncio.create_task(asyncio.to_thread(post, sockets, b'{"max_tokens": 100}'))
    assert await asyncio.to_thread(upstream.began.acquire, timeout=10)
    async with asyncio.timeout(10):
        while (await meter.metered("s")).output_tokens < 150:
            pass
    before = await meter.metered("s")
    kill(directory, victim)
    assert b"message_stop" not in await cut
    go_on.set()
    again = EnvoyGateway(directory, resolvers=[resolver], credentials=NO_KEY)
    await again.ensure_running()
    assert await again.metered("s") == before
    held = asyncio.create_task(asyncio.to_thread(post, sockets))
    await until_held(again, "s", "requests")
    await again.grant("s", Allowance(requests=3))
    assert (await held).startswith(b"HTTP/1.1 200")
    used = await again.metered("s")
    assert (used.requests, used.input_tokens, used.output_tokens) == (3, 300, 50 + 100 + 50)
    records = await again.close("s")
    assert [record.metered.input_tokens for record in records if record.metered] == [100, 100, 100]
    assert await again.metered("s") == used


@pytest.mark.parametrize("victim", ["envoy.json", "meter.json"])
async def test_what_is_held_stays_held_when_either_process_dies(
    meter: EnvoyGateway, directory: Path, resolver: str, upstream: Provider, victim: str
) -> None:
    sockets = await meter.open("s", rules(upstream, Allowance(requests=0)), None)
    held = asyncio.create_task(asyncio.to_thread(post, sockets))
    await until_held(meter, "s", "requests")
    kill(directory, victim)
    answer = await held
    # Its client is told that it may try again, or finds the connection closed; both are tried again.
    assert answer == b"" or (answer.startswith(b"HTTP/1.1 503") and b"try again in a few seconds" in answer)
    again = EnvoyGateway(directory, resolvers=[resolver], credentials=NO_KEY)
    assert (await again.metered("s")).held == "requests"
    await again.ensure_running()
    assert (await again.metered("s")).held == "requests"
    retried = asyncio.create_task(asyncio.to_thread(post, sockets))
    await again.grant("s", Allowance(requests=1))
    assert (await retried).startswith(b"HTTP/1.1 200")
    assert len(upstream.asked) == 1


async def test_nothing_passes_while_the_meter_is_dead(meter: EnvoyGateway, directory: Path, upstream: Provider) -> None:
    sockets = await meter.open("s", rules(upstream), None)
    kill(directory, "meter.json")
    for _ in range(3):
        answer = await asyncio.to_thread(post, sockets)
        assert answer.startswith(b"HTTP/1.1 503") and b"meter does not answer" in answer
    assert upstream.asked == []
    await meter.ensure_running()
    assert (await asyncio.to_thread(post, sockets)).startswith(b"HTTP/1.1 200")
    assert (await meter.metered("s")).requests == 1
    assert [record.allowed for record in await meter.close("s")] == [True] * 4


async def test_a_meter_that_hangs_is_replaced(meter: EnvoyGateway, directory: Path, upstream: Provider) -> None:
    sockets = await meter.open("s", rules(upstream), None)
    pid = json.loads((directory / "kept" / "meter.json").read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    await meter.ensure_running()
    assert json.loads((directory / "kept" / "meter.json").read_text())["pid"] != pid
    assert (await asyncio.to_thread(post, sockets)).startswith(b"HTTP/1.1 200")


async def test_a_gateway_without_brokered_services_runs_no_meter(meter: EnvoyGateway, directory: Path) -> None:
    await meter.open("s", EgressRules(), None)
    assert not (directory / "kept" / "meter.json").exists()


async def test_a_sandbox_that_opens_again_goes_on_counting_until_it_is_forgotten(
    meter: EnvoyGateway, upstream: Provider
) -> None:
    for count in (1, 2):
        sockets = await meter.open("s", rules(upstream), None)
        await asyncio.to_thread(post, sockets)
        records = await meter.close("s")
        assert [record.metered is not None for record in records] == [True] * count
        assert (await meter.metered("s")).requests == count
    await meter.forget("s")
    sockets = await meter.open("s", rules(upstream), None)
    await asyncio.to_thread(post, sockets)
    assert (await meter.metered("s")).requests == 1


async def test_a_change_of_services_keeps_what_was_used(meter: EnvoyGateway, upstream: Provider) -> None:
    sockets = await meter.open("s", rules(upstream, Allowance(requests=2)), None)
    await asyncio.to_thread(post, sockets)
    more = Endpoint(method="PUT", path="/v1/more")
    changed = service(f"http://api.example.test:{upstream.port}", endpoints=(more,))
    await meter.change("s", brokered(changed))
    assert (await asyncio.to_thread(post, sockets)).startswith(b"HTTP/1.1 403")
    assert (await asyncio.to_thread(post, sockets, b"", "/v1/more", HOST, "PUT")).startswith(b"HTTP/1.1 200")
    held = asyncio.create_task(asyncio.to_thread(post, sockets, b"", "/v1/more", HOST, "PUT"))
    await until_held(meter, "s", "requests")
    await meter.close("s")
    await held


async def test_a_huge_request_is_carried_and_counted(meter: EnvoyGateway, upstream: Provider) -> None:
    sockets = await meter.open("s", rules(upstream), None)
    size = 20 * 1024 * 1024

    def chunked() -> bytes:
        head = f"POST {MESSAGES} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        return exchange(sockets, head.encode() + b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n")

    assert (await asyncio.to_thread(chunked)).startswith(b"HTTP/1.1 200")
    assert (await asyncio.to_thread(post, sockets, b"x" * size)).startswith(b"HTTP/1.1 200")
    assert [len(asked.body) for asked in upstream.asked] == [size, size]
    assert (await meter.metered("s")).bytes > 2 * size


async def test_an_answer_of_fifty_megabytes_in_one_event_is_passed_on_and_estimated(
    meter: EnvoyGateway, upstream: Provider
) -> None:
    size = 50 * 1024 * 1024
    upstream.answer = streamed(b"data: " + b"x" * size, b"\n\n", *anthropic_stream())
    sockets = await meter.open("s", rules(upstream), None)
    answer = await asyncio.to_thread(post, sockets)
    assert len(answer) > size and answer.endswith(b"0\r\n\r\n")
    used = await meter.metered("s")
    assert (used.input_tokens, used.output_tokens) == (100, 50)
