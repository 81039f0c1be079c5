"""A sandbox uses a provider with a key that it never has, for the requests that its adapter declares and no others."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from activities.egress.credentials import CredentialError
from activities.egress.gateway import EnvoyGateway
from activities.egress.rules import RuleRefused
from activities.policy.agent_tables import KeySource
from tests.activities.egress.conftest import make_directory
from tests.activities.egress.providers import (
    HOST,
    MESSAGES,
    Provider,
    anthropic_stream,
    brokered,
    exchange,
    plain,
    post,
    provider,
    service,
    streamed,
)
from tests.activities.egress.servers import self_signed, send, tunnel
from tests.activities.egress.test_gateway import AS_ROOT, needs_root

KEY = "sk-real-0123456789"


@pytest.fixture
def upstream() -> Iterator[Provider]:
    with provider() as server:
        server.answer = plain({})
        yield server


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
async def broker(directory: Path, resolver: str, key_file: Path) -> AsyncIterator[EnvoyGateway]:
    credentials = {"anthropic": KeySource(file=key_file), "own": None}
    gateway = EnvoyGateway(directory, resolvers=[resolver], credentials=credentials)
    yield gateway
    await gateway.stop()


def at(upstream: Provider, base: str = "") -> str:
    return f"http://api.example.test:{upstream.port}{base}"


async def test_the_provider_sees_the_real_key_and_the_sandbox_s_own_is_gone(
    broker: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await broker.open("s", brokered(service(at(upstream, "/base/"), prefix="Key ")), None)
    extra = (
        "Authorization: Bearer mine\r\nX-Api-Key: second\r\nCookie: a=b\r\nProxy-Authorization: Basic eDp5\r\n"
        "api-key: mine\r\nx-goog-api-key: mine\r\nAccept-Encoding: br\r\nanthropic-version: 2023-06-01\r\n"
        "Connection: x-api-key\r\n"
    )
    answer = await asyncio.to_thread(post, sockets, b'{"stream": true}', f"{MESSAGES}?beta=true", extra=extra)
    assert answer.startswith(b"HTTP/1.1 200")
    (asked,) = upstream.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/base/v1/messages?beta=true", b'{"stream": true}')
    assert asked.header("host") == [f"api.example.test:{upstream.port}"]
    assert asked.header("x-api-key") == [f"Key {KEY}"]
    assert asked.header("anthropic-version") == ["2023-06-01"]
    # Some upstreams take no body whose size is not stated.
    assert asked.header("content-length") == ["16"]
    for name in ("authorization", "cookie", "proxy-authorization", "api-key", "x-goog-api-key", "accept-encoding"):
        assert asked.header(name) == [], name
    (record,) = await broker.close("s")
    assert (record.host, record.method, record.path) == (f"{HOST}:80", "POST", f"{MESSAGES}?beta=true")
    assert (record.allowed, record.rule, record.status, record.bytes_sent) == (True, "brokered anthropic", 200, 16)
    assert record.metered is not None and record.metered.requests == 1


async def test_the_first_provider_counts_although_the_gateway_was_started_without_one(
    directory: Path, resolver: str, key_file: Path, upstream: Provider
) -> None:
    credentials: dict[str, KeySource | None] = {}
    gateway = EnvoyGateway(directory, resolvers=[resolver], credentials=credentials)
    try:
        with pytest.raises(CredentialError, match=r"add \[providers.anthropic\]"):
            await gateway.open("early", brokered(service(at(upstream))), None)
        credentials["anthropic"] = KeySource(file=key_file)
        sockets = await gateway.open("s", brokered(service(at(upstream))), None)
        assert (await asyncio.to_thread(post, sockets)).startswith(b"HTTP/1.1 200")
    finally:
        await gateway.stop()


async def test_the_key_is_in_no_file_that_others_read_and_in_no_log(
    broker: EnvoyGateway, directory: Path, upstream: Provider, tmp_path: Path
) -> None:
    sockets = await broker.open("s", brokered(service(at(upstream))), None)
    await asyncio.to_thread(post, sockets)
    await asyncio.to_thread(post, sockets, path="/v1/refused")
    holding = [path for path in directory.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert [path.parent for path in holding] == [directory / "secrets"]
    facts = holding[0].stat()
    assert facts.st_mode & 0o007 == 0 and holding[0].parent.stat().st_mode & 0o007 == 0
    if AS_ROOT:
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (0, 209_999, 0o640)
    command = ["curl", "-s", "--unix-socket", str(directory / "envoy" / "admin.sock"), "http://x/config_dump"]
    dump = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    assert b"upstream-" in dump.stdout and KEY.encode() not in dump.stdout
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with_key = KEY.encode() in process.read_bytes() if process.parent.name != str(os.getpid()) else False
        assert not with_key
    await broker.close("s")
    # Nobody uses it any more.
    assert [path for path in directory.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


@needs_root
async def test_the_meter_can_not_read_the_key_and_has_no_environment(
    broker: EnvoyGateway, directory: Path, upstream: Provider
) -> None:
    await broker.open("s", brokered(service(at(upstream))), 219_001)
    (secret,) = (directory / "secrets").glob("*.json")
    for uid in (209_998, 219_001):
        command = ["/usr/bin/python3", "-c", "import sys; open(sys.argv[1])", str(secret)]
        ended = subprocess.run(command, user=uid, group=uid, extra_groups=[], check=False, capture_output=True)  # noqa: ASYNC221
        assert b"PermissionError" in ended.stderr
    pid = meter_pid(directory)
    assert Path(f"/proc/{pid}/environ").read_bytes().strip(b"\0") == b""
    status = Path(f"/proc/{pid}/status").read_text()
    assert "\nUid:\t209998\t209998\t209998\t209998\n" in status and "\nGid:\t209998\t209998\t209998\t209998\n" in status
    connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    command = ["/usr/bin/python3", "-c", connect, str(directory / "meter" / "run" / "meter.sock")]
    ended = subprocess.run(command, user=219_001, group=219_001, check=False, capture_output=True)  # noqa: ASYNC221
    assert b"PermissionError" in ended.stderr


def meter_pid(directory: Path) -> int:
    pid: int = json.loads((directory / "kept" / "meter.json").read_text())["pid"]
    return pid


@pytest.mark.parametrize(
    ("method", "path", "host"),
    [
        ("GET", MESSAGES, HOST),
        ("DELETE", MESSAGES, HOST),
        ("OPTIONS", MESSAGES, HOST),
        ("POST", "/v1/files", HOST),
        ("POST", "/", HOST),
        ("POST", "//v1/messages", HOST),
        ("POST", "/v1//messages", HOST),
        ("POST", "/v1/messages/", HOST),
        ("POST", "/v1/messages/../files", HOST),
        ("POST", "/v1/./messages", HOST),
        ("POST", "/v1/%6dessages", HOST),
        ("POST", "/v1/messages%2e", HOST),
        ("POST", "/v1/messages%00", HOST),
        ("POST", "/v1/messages;x", HOST),
        ("POST", "/V1/MESSAGES", HOST),
        ("POST", "/v1\\messages", HOST),
        ("POST", "/base/v1/messages", HOST),
        ("POST", MESSAGES, f"{HOST}:443"),
        ("POST", MESSAGES, f"{HOST}:8080"),
        ("POST", MESSAGES, f"x{HOST}"),
        ("POST", MESSAGES, f"{HOST}.example.test"),
        ("POST", MESSAGES, "anthropicxmodel.internal"),
    ],
)
async def test_nothing_but_the_declared_requests_reaches_the_provider(
    shared_broker: tuple[Path, Provider], method: str, path: str, host: str
) -> None:
    sockets, upstream = shared_broker
    before = len(upstream.asked)
    answer = await asyncio.to_thread(post, sockets, b"", path, host, method)
    # A name beside it that the allowlist has does not resolve.
    refusals = (b"HTTP/1.1 403", b"HTTP/1.1 400", *((b"HTTP/1.1 503",) if host.startswith("x") else ()))
    assert answer.startswith(refusals), answer
    if answer.startswith(b"HTTP/1.1 403"):
        assert b"This is policy, not an outage" in answer
    assert len(upstream.asked) == before


@pytest.fixture(scope="module")
async def shared_broker(resolver: str) -> AsyncIterator[tuple[Path, Provider]]:
    directory = make_directory()
    with provider() as upstream:
        gateway = EnvoyGateway(directory, resolvers=[resolver], credentials={"anthropic": None})
        # The allowlist names the same host, which must not open another way to it.
        rules = brokered(service(at(upstream))).model_copy(update={"hosts": ("*.model.internal",)})
        yield await gateway.open("s", rules, None), upstream
        await gateway.stop()


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:80", f"{HOST}."])
async def test_a_client_may_write_the_host_in_any_usual_way(shared_broker: tuple[Path, Provider], host: str) -> None:
    sockets, _ = shared_broker
    assert (await asyncio.to_thread(post, sockets, host=host)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "request_head",
    [
        "POST http://other.internal/v1/messages HTTP/1.1|Host: {host}",
        "POST http://{host}@evil.internal/v1/messages HTTP/1.1|Host: {host}",
        "POST http://evil.internal#{host}/v1/messages HTTP/1.1|Host: {host}",
        "POST /v1/messages HTTP/1.1|Host: {host}|Host: evil.internal",
        "POST http://{host}/v1/files HTTP/1.1|Host: {host}|X-HTTP-Method-Override: POST|X-Original-URL: /v1/messages",
        "POST http://{host}/v1/files HTTP/1.1|Host: {host}|x-envoy-original-path: /v1/messages",
        "POST http://{host}/v1/messages HTTP/1.1|Host: {host}|Content-Length: 3|Transfer-Encoding: chunked",
        "POST http://{host}/v1/messages HTTP/1.1|Host: {host}|Content-Length: 3|Content-Length: 4",
        "POST http://{host}/v1/messages HTTP/1.1|Host: {host}|Transfer-Encoding: chunked, identity",
        "POST http://{host}/v1/messages HTTP/1.1|Host: {host}|Upgrade: websocket|Connection: upgrade",
    ],
)
async def test_a_confused_or_smuggled_request_does_not_reach_the_provider(
    shared_broker: tuple[Path, Provider], request_head: str
) -> None:
    sockets, upstream = shared_broker
    before = len(upstream.asked)
    head = request_head.format(host=HOST).replace("|", "\r\n")
    raw = f"{head}\r\n\r\n0\r\n\r\nPOST /v1/secret HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    answer = await asyncio.to_thread(send, sockets, raw)
    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400", b"HTTP/1.1 501")), answer
    assert len(upstream.asked) == before


async def test_no_tunnel_leads_to_a_brokered_host(shared_broker: tuple[Path, Provider]) -> None:
    sockets, _ = shared_broker
    for port in (80, 443):
        connection, answer = await asyncio.to_thread(tunnel, sockets, f"{HOST}:{port}")
        connection.close()
        assert answer.startswith(b"HTTP/1.1 403") and b"adapter declares" in answer


async def test_a_sandbox_can_not_have_one_request_repeated_by_the_gateway(shared_broker: tuple[Path, Provider]) -> None:
    sockets, upstream = shared_broker
    upstream.answer = plain({}, status=503)
    before = len(upstream.asked)
    extra = "x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 50\r\nx-envoy-hedge-on-per-try-timeout: true\r\n"
    answer = await asyncio.to_thread(post, sockets, extra=extra)
    upstream.answer = plain({})
    assert answer.startswith(b"HTTP/1.1 503")
    assert len(upstream.asked) == before + 1


async def test_what_a_service_does_not_declare_is_on_record_as_refused(
    broker: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await broker.open("s", brokered(service(at(upstream))), None)
    await asyncio.to_thread(post, sockets, path="/v1/files?x=1")
    (record,) = await broker.close("s")
    assert (record.host, record.path, record.status) == (f"{HOST}:80", "/v1/files?x=1", 403)
    assert (record.allowed, record.rule, record.metered) == (False, "undeclared", None)


async def test_a_renewed_key_is_used_without_cutting_the_answer_that_streams(
    broker: EnvoyGateway, upstream: Provider, key_file: Path
) -> None:
    sockets = await broker.open("s", brokered(service(at(upstream))), None)
    go_on = threading.Event()
    upstream.answer = streamed(*anthropic_stream(), go_on=go_on)
    streaming = asyncio.create_task(asyncio.to_thread(post, sockets))
    assert await asyncio.to_thread(upstream.began.acquire, timeout=10)
    fresh = key_file.with_name("fresh")
    fresh.write_text("sk-fresh-1")
    fresh.rename(key_file)
    await broker.ensure_running()
    upstream.answer = plain({})

    async def fresh_key_is_used() -> bool:
        await asyncio.to_thread(post, sockets)
        return upstream.asked[-1].header("x-api-key") == ["sk-fresh-1"]

    async with asyncio.timeout(10):
        while not await fresh_key_is_used():
            pass
    go_on.set()
    assert b"message_stop" in await streaming


async def test_a_provider_that_takes_no_key_gets_none_and_not_the_sandbox_s(
    broker: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await broker.open("s", brokered(service(at(upstream), credential="own")), None)
    assert (await asyncio.to_thread(post, sockets)).startswith(b"HTTP/1.1 200")
    assert upstream.asked[0].header("x-api-key") == []


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_provider_is_verified_before_it_gets_the_key(
    directory: Path, resolver: str, tmp_path: Path, key_file: Path, trusted: bool
) -> None:
    certificate = self_signed(tmp_path / "pem", "api.example.test")
    authorities = certificate if trusted else self_signed(tmp_path / "other", "api.example.test")
    gateway = EnvoyGateway(
        directory, resolvers=[resolver], credentials={"anthropic": KeySource(file=key_file)}, authorities=authorities
    )
    try:
        with provider(certificate) as upstream:
            for name in ("api", "other"):
                rules = brokered(service(f"https://{name}.example.test:{upstream.port}"))
                sockets = await gateway.open(name, rules, None)
                answer = await asyncio.to_thread(post, sockets)
                good = trusted and name == "api"
                assert answer.startswith(b"HTTP/1.1 200" if good else b"HTTP/1.1 503"), answer
            assert [asked.header("x-api-key") for asked in upstream.asked] == [[KEY]] * trusted
    finally:
        await gateway.stop()


@pytest.mark.parametrize("name", ["api.example.test", "metadata.example.test", "127.0.0.1"])
async def test_a_provider_s_name_that_leads_into_this_network_gets_no_request(
    broker: EnvoyGateway, upstream: Provider, name: str
) -> None:
    rules = brokered(service(f"http://{name}:{upstream.port}"), private=False)
    sockets = await broker.open("s", rules, None)
    answer = await asyncio.to_thread(post, sockets)
    assert answer.startswith(b"HTTP/1.1 403") and b"private address" in answer
    assert upstream.asked == []
    (record,) = await broker.close("s")
    assert (record.allowed, record.rule) == (False, "private address")


async def test_a_missing_key_is_told_in_words_before_a_sandbox_opens(
    directory: Path, resolver: str, tmp_path: Path, upstream: Provider
) -> None:
    (tmp_path / "two").write_text(f"{KEY} and more")
    script = "import sys; print('sk-secret'); sys.exit(3)"
    for source, words in (
        (KeySource(environment="NO_SUCH_VARIABLE_HERE"), "no variable NO_SUCH_VARIABLE_HERE"),
        (KeySource(file=tmp_path / "absent"), "can't be read: No such file"),
        (KeySource(file=tmp_path / "two"), "more than one word"),
        (KeySource(command=(sys.executable, "-c", script)), "ended with status 3"),
        (KeySource(command=("/no/such/program",)), "can't be started"),
    ):
        gateway = EnvoyGateway(directory, resolvers=[resolver], credentials={"anthropic": source})
        with pytest.raises(CredentialError, match=words) as refused:
            await gateway.open("s", brokered(service(at(upstream))), None)
        assert "sk-" not in str(refused.value)
    with pytest.raises(CredentialError, match=r"providers\.anthropic"):
        await EnvoyGateway(directory).open("s", brokered(service(at(upstream))), None)


async def test_workers_that_share_a_gateway_agree_on_the_key_of_the_last_one(
    broker: EnvoyGateway, directory: Path, resolver: str, upstream: Provider, tmp_path: Path
) -> None:
    sockets = await broker.open("s", brokered(service(at(upstream))), None)
    count = tmp_path / "count"
    script = f"print('sk-printed'); open({str(count)!r}, 'a').write('x')"
    printed = {"anthropic": KeySource(command=(sys.executable, "-c", script), seconds=3600)}
    later = [EnvoyGateway(directory, resolvers=[resolver], credentials=printed) for _ in range(2)]
    for gateway in (*later, broker, *later):
        await gateway.ensure_running()
    assert count.read_text() == "x"
    async with asyncio.timeout(10):
        while not upstream.asked or upstream.asked[-1].header("x-api-key") != ["sk-printed"]:
            await asyncio.to_thread(post, sockets)


async def test_another_place_of_the_key_counts_without_starting_anything_again(
    directory: Path, resolver: str, upstream: Provider, key_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("sk-other")
    credentials: dict[str, KeySource | None] = {"anthropic": KeySource(file=key_file)}
    gateway = EnvoyGateway(directory, resolvers=[resolver], credentials=credentials)
    try:
        sockets = await gateway.open("s", brokered(service(at(upstream))), None)
        credentials["anthropic"] = KeySource(file=tmp_path / "other")
        await gateway.ensure_running()
        async with asyncio.timeout(10):
            while not upstream.asked or upstream.asked[-1].header("x-api-key") != ["sk-other"]:
                await asyncio.to_thread(post, sockets)
    finally:
        await gateway.stop()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "*.model.internal"),
        ("host", "model.internal:80"),
        ("host", "10.0.0.1"),
        ("upstream", "ftp://api.example.test"),
        ("upstream", "https://user:pass@api.example.test"),
        ("upstream", "https://api.example.test/?x=1"),
        ("header", "Host"),
        ("header", "content-length"),
        ("prefix", "a\r\nb: "),
    ],
)
async def test_a_service_that_can_not_be_kept_to_is_refused(directory: Path, name: str, value: str) -> None:
    wrong = service("http://api.example.test").model_copy(update={name: value})
    with pytest.raises(RuleRefused, match="refused"):
        await EnvoyGateway(directory).open("s", brokered(wrong), None)


async def test_a_sandbox_can_not_say_which_request_is_really_meant_or_whose_account_pays(
    broker: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await broker.open("s", brokered(service(at(upstream))), None)
    unwanted = (
        *("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"),
        *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Path", "Forwarded", "X-Real-IP", "Via"),
        *("OpenAI-Organization", "OpenAI-Project", "anthropic-organization-id", "chatgpt-account-id"),
        *("anthropic-workspace-id", "x-goog-user-project", "x-billing-id", "X-Auth-Token"),
    )
    needed = ("anthropic-version", "anthropic-beta", "OpenAI-Beta", "x-stainless-lang", "X-App", "traceparent")
    extra = "".join(f"{name}: sandbox\r\n" for name in (*unwanted, *needed))
    assert (await asyncio.to_thread(post, sockets, extra=extra)).startswith(b"HTTP/1.1 200")
    (asked,) = upstream.asked
    assert [name for name in unwanted if "sandbox" in asked.header(name.lower())] == []
    assert [asked.header(name.lower()) for name in needed] == [["sandbox"]] * len(needed)


async def test_a_body_whose_size_is_not_stated_gets_none_that_the_sandbox_made_up(
    broker: EnvoyGateway, upstream: Provider
) -> None:
    sockets = await broker.open("s", brokered(service(at(upstream))), None)
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: {HOST}\r\nx-journeyman-length: 2\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n"
    )
    answer = await asyncio.to_thread(exchange, sockets, f"{head}2\r\n{{}}\r\n3\r\n   \r\n0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200")
    (asked,) = upstream.asked
    assert (asked.body, asked.header("content-length"), asked.header("x-journeyman-length")) == (b"{}   ", [], [])


async def test_logs_of_the_gateway_s_processes_are_closed_to_others(
    broker: EnvoyGateway, directory: Path, upstream: Provider
) -> None:
    await broker.open("s", brokered(service(at(upstream))), None)
    await broker.stop()
    await broker.ensure_running()
    logs = {path.name: path.stat().st_mode & 0o777 for path in directory.glob("*.log")}
    assert logs == dict.fromkeys(("envoy.log", "envoy.previous.log", "meter.log", "meter.previous.log"), 0o600)
