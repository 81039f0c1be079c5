"""The gateway outlives workers and its own death, keeps sandboxes apart, and records every request."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from activities.egress.contract import EgressRules
from activities.egress.daemon import wait_for
from activities.egress.gateway import EnvoyGateway
from activities.egress.places import GatewayError
from activities.egress.rate import REQUESTS_AT_ONCE
from activities.egress.records import parse_log, read_log
from activities.egress.unix_http import TIMEOUT_SECONDS
from tests.activities.egress.conftest import make_directory
from tests.activities.egress.servers import WebServer, ask_often, get, get_inside, send, tunnel

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="dropping to another uid, and a network namespace, take root")


def envoys(directory: Path) -> list[psutil.Process]:
    marker = str(directory / "config" / "bootstrap.json")
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if marker in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def host_rules(web: WebServer) -> EgressRules:
    return EgressRules(hosts=(f"api.example.test:{web.port}",), allow_private=True)


async def test_every_request_is_on_record_in_order_refused_ones_too(gateway: EnvoyGateway, web: WebServer) -> None:
    host = f"api.example.test:{web.port}"
    directory = await gateway.open("recorded", host_rules(web), None)
    await asyncio.to_thread(get, directory, host, "/first?token=1")
    await asyncio.to_thread(get, directory, "evil.example.test")
    connection, _ = await asyncio.to_thread(tunnel, directory, host)
    connection.close()
    await asyncio.to_thread(tunnel, directory, "evil.example.test:443")
    await asyncio.to_thread(send, directory, b"not http at all\r\n\r\n")
    records = await gateway.close("recorded")
    assert [(r.method, r.host, r.path, r.allowed, r.status) for r in records] == [
        ("GET", host, "/first?token=1", True, 200),
        ("GET", "evil.example.test:80", "/", False, 403),
        ("CONNECT", host, "", True, 200),
        ("CONNECT", "evil.example.test:443", "", False, 403),
        ("", "", "", False, 400),
    ]
    assert [r.rule for r in records] == [host, "refused", host, "refused", "malformed"]
    assert {r.sandbox for r in records} == {"recorded"}
    assert records[0].bytes_received > 0
    assert not directory.exists()
    assert await gateway.close("recorded") == records
    await gateway.forget("recorded")
    assert await gateway.close("recorded") == ()


async def test_a_flood_of_requests_is_refused_in_words_and_does_not_fill_the_disk(
    gateway: EnvoyGateway, directory: Path, web: WebServer
) -> None:
    sandbox = await gateway.open("flood", host_rules(web), None)
    answers = await asyncio.to_thread(ask_often, sandbox, "evil.example.test", REQUESTS_AT_ONCE + 3000)
    refused, over = (sum(answer.startswith(f"HTTP/1.1 {code}".encode()) for answer in answers) for code in (403, 429))
    assert refused + over == len(answers)
    assert over > 1000
    assert b"ask less often" in answers[-1]
    records = await gateway.close("flood")
    assert refused < len(records) < refused + over / 10
    assert {record.rule for record in records} == {"refused", "over the rate"}
    assert not any(record.allowed for record in records)


async def test_a_tunnel_that_is_still_open_is_cut_and_recorded_when_its_sandbox_closes(
    gateway: EnvoyGateway, web: WebServer
) -> None:
    host = f"api.example.test:{web.port}"
    directory = await gateway.open("left-open", host_rules(web), None)
    connection, _ = await asyncio.to_thread(tunnel, directory, host)
    (record,) = await gateway.close("left-open")
    with connection:
        assert connection.recv(1) == b""
    assert (record.method, record.host, record.allowed) == ("CONNECT", host, True)


async def test_hostile_requests_can_neither_forge_nor_break_the_record(gateway: EnvoyGateway, web: WebServer) -> None:
    host = f"api.example.test:{web.port}"
    directory = await gateway.open("hostile", host_rules(web), None)
    await asyncio.to_thread(get, directory, host, '/","sandbox":"other","x":"')
    await asyncio.to_thread(get, directory, host, "/" + "a" * 20000)
    raw = f"GET /\x85\u2028\xff HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    await asyncio.to_thread(send, directory, raw)
    await asyncio.to_thread(send, directory, b"GET /\xff\xfe HTTP/1.1\r\nHost: evil\xff\r\nConnection: close\r\n\r\n")
    await asyncio.to_thread(send, directory, b"GET / HTTP/1.1\r\nHost: a\nb\r\nConnection: close\r\n\r\n")
    records = await gateway.close("hostile")
    assert len(records) == 5
    assert records[0].path.startswith('/","sandbox"')
    assert all(r.sandbox == "hostile" and len(r.path) <= 1024 and (r.path + r.host).isprintable() for r in records)


def test_a_line_that_can_not_be_read_is_shown_and_not_raised(tmp_path: Path) -> None:
    good = (
        b'{"sandbox":"s","connection":1,"began":"1.0","time":"t","method":"GET","host":"h","path":"/","rule":"refused",'
        b'"status":403,"from_sandbox":0,"to_sandbox":1,"duration_ms":0,"details":"direct_response"}\n'
    )
    log = tmp_path / "log"
    log.write_bytes(b'{"half": \n' + good + b"\xff\x00\n[1]\n" + b"[" * 10000 + b"\n" + good.replace(b'"s"', b'"z"'))
    records = parse_log(read_log(log), "s")
    assert [r.rule for r in records] == ["unreadable", "refused", "unreadable", "unreadable", "unreadable"]
    planted = tmp_path / "planted"
    planted.symlink_to(log)
    assert parse_log(read_log(planted), "s") == ()
    os.mkfifo(tmp_path / "pipe")
    assert parse_log(read_log(tmp_path / "pipe"), "s") == ()


async def test_a_killed_envoy_comes_back_with_every_listener_and_loses_no_record(
    own_gateway: EnvoyGateway, directory: Path, web: WebServer
) -> None:
    host = f"api.example.test:{web.port}"
    sockets = [await own_gateway.open(f"run-{n}", host_rules(web), None) for n in range(3)]
    await asyncio.to_thread(get, sockets[0], host, "/before")
    connection, _ = await asyncio.to_thread(tunnel, sockets[1], host)
    (envoy,) = envoys(directory)
    # The log is flushed a hundred times a second; the kill must not come before the first time.
    await asyncio.to_thread(wait_for_lines, directory, 2)
    envoy.send_signal(signal.SIGKILL)
    await own_gateway.ensure_running()
    connection.close()
    for n, socket_directory in enumerate(sockets):
        answer = await asyncio.to_thread(get, socket_directory, host, f"/after-{n}")
        assert answer.endswith(f"served /after-{n} for {host}".encode())
    assert [r.path for r in await own_gateway.close("run-0")] == ["/before", "/after-0"]
    assert [r.method for r in await own_gateway.close("run-1")] == ["CONNECT", "GET"]


async def test_an_envoy_that_is_busy_for_longer_than_it_is_asked_is_not_replaced(
    own_gateway: EnvoyGateway, directory: Path, web: WebServer
) -> None:
    await own_gateway.open("run", host_rules(web), None)
    (envoy,) = envoys(directory)
    envoy.send_signal(signal.SIGSTOP)
    # It takes in rules in the thread that would answer: here it is away for longer than one question waits.
    busy = threading.Timer(TIMEOUT_SECONDS + 1, envoy.send_signal, [signal.SIGCONT])
    busy.start()
    await own_gateway.ensure_running()
    busy.join()
    assert [process.pid for process in envoys(directory)] == [envoy.pid]


def wait_for_lines(directory: Path, count: int) -> None:
    def written() -> bool:
        lines = b"".join(log.read_bytes() for log in (directory / "envoy").glob("*.jsonl")).splitlines()
        return sum(b'"rule":"probe"' not in line for line in lines) >= count

    assert wait_for(written, 10)


async def test_a_new_worker_adopts_the_running_envoy(
    own_gateway: EnvoyGateway, directory: Path, resolver: str, secure: WebServer
) -> None:
    socket_directory = await own_gateway.open("kept", host_rules(secure), None)
    (before,) = envoys(directory)
    connection, _ = await asyncio.to_thread(tunnel, socket_directory, f"api.example.test:{secure.port}")
    other = EnvoyGateway(directory, resolvers=[resolver])
    await other.ensure_running()
    assert await other.open("kept", host_rules(secure), None) == socket_directory
    assert [p.pid for p in envoys(directory)] == [before.pid]
    certificate = secure.certificate
    answer = await asyncio.to_thread(get_inside, connection, certificate, "api.example.test", "/same-stream")
    assert b"200 OK" in answer
    await other.stop()
    assert envoys(directory) == []


async def test_envoy_outlives_the_worker_that_started_it(directory: Path, resolver: str, web: WebServer) -> None:
    program = f"""
        import asyncio, pathlib
        from activities.egress.contract import EgressRules
        from activities.egress.gateway import EnvoyGateway
        gateway = EnvoyGateway(pathlib.Path({str(directory)!r}), resolvers=[{resolver!r}])
        rules = EgressRules(hosts=("api.example.test:{web.port}",), allow_private=True)
        print(asyncio.run(gateway.open("orphan", rules, None)))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    finished = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
    answer = await asyncio.to_thread(get, Path(finished.stdout.strip()), f"api.example.test:{web.port}")
    assert answer.startswith(b"HTTP/1.1 200")
    gateway = EnvoyGateway(directory, resolvers=[resolver])
    assert len(await gateway.close("orphan")) == 1
    await gateway.stop()
    assert envoys(directory) == []


async def test_workers_that_open_and_close_at_once_do_not_undo_each_other(
    own_gateway: EnvoyGateway, directory: Path, resolver: str, web: WebServer
) -> None:
    gateways = [own_gateway, EnvoyGateway(directory, resolvers=[resolver])]

    async def one(n: int) -> int:
        gateway = gateways[n % 2]
        socket_directory = await gateway.open(f"at-once-{n}", host_rules(web), None)
        answer = await asyncio.to_thread(get, socket_directory, f"api.example.test:{web.port}", f"/{n}")
        assert answer.startswith(b"HTTP/1.1 200")
        return len(await gateways[(n + 1) % 2].close(f"at-once-{n}"))

    assert await asyncio.gather(*(one(n) for n in range(12))) == [1] * 12
    assert len(envoys(directory)) == 1


async def test_the_gateway_opens_no_port_of_its_own(own_gateway: EnvoyGateway, directory: Path) -> None:
    await own_gateway.ensure_running()
    (envoy,) = envoys(directory)
    assert [c for c in envoy.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []


@needs_root
async def test_only_the_sandbox_s_own_uid_reaches_its_socket(own_gateway: EnvoyGateway, directory: Path) -> None:
    socket_directory = await own_gateway.open("mine", EgressRules(), 219_001)
    await own_gateway.open("theirs", EgressRules(), 219_002)

    def reach(uid: int, path: Path) -> bool:
        connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        command = ["/usr/bin/python3", "-c", connect, str(path)]
        dropped = subprocess.run(command, user=uid, group=uid, extra_groups=[], check=False, capture_output=True)
        return dropped.returncode == 0

    assert reach(219_001, socket_directory / "egress.sock")
    assert not reach(219_002, socket_directory / "egress.sock")
    assert not reach(219_001, directory / "envoy" / "admin.sock")
    (envoy,) = envoys(directory)
    assert set(envoy.uids()) == {209_999}


@needs_root
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs `ip` to give a network namespace an address")
def test_a_second_address_of_a_name_is_judged_like_the_first(directory: Path) -> None:
    program = f"""
        import asyncio, pathlib, socket, subprocess
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "address", "add", "192.0.2.7/32", "dev", "lo"], check=True)
        from activities.egress.contract import EgressRules
        from activities.egress.gateway import EnvoyGateway
        from tests.activities.egress.servers import get, name_server, web_server

        async def main(resolver, private, public):
            gateway = EnvoyGateway(pathlib.Path({str(directory)!r}), resolvers=[resolver])
            try:
                both, one = f"both.example.test:{{private.port}}", f"public.example.test:{{public.port}}"
                sockets = await gateway.open("s", EgressRules(hosts=(both, one)), None)
                for _ in range(6):
                    answer = await asyncio.to_thread(get, sockets, both)
                    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 503")), answer
                assert private.seen == []
                assert (await asyncio.to_thread(get, sockets, one)).startswith(b"HTTP/1.1 200")
            finally:
                await gateway.stop()

        # Nobody listens at the first address: a client that falls back to the second would reach this machine.
        names = {{"both.example.test": ["192.0.2.7", "127.0.0.1"], "public.example.test": ["192.0.2.7"]}}
        with name_server(names) as resolver, web_server() as private, web_server(address="192.0.2.7") as public:
            asyncio.run(main(resolver, private, public))
    """
    command = ["unshare", "--net", sys.executable, "-c", textwrap.dedent(program)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr


@needs_root
async def test_a_directory_envoy_can_not_enter_is_refused_with_the_remedy() -> None:
    closed = make_directory()
    try:
        closed.chmod(0o700)
        with pytest.raises(GatewayError, match=r"chmod o\+x"):
            await EnvoyGateway(closed / "inner").ensure_running()
    finally:
        shutil.rmtree(closed)


async def test_rules_that_can_not_be_applied_leave_the_old_ones_in_force(
    own_gateway: EnvoyGateway, web: WebServer
) -> None:
    host = f"api.example.test:{web.port}"
    directory = await own_gateway.open("steady", host_rules(web), None)
    with pytest.raises(ValueError, match="refused the egress rule"):
        await own_gateway.change("steady", EgressRules(hosts=("127.0.0.1",), allow_private=True))
    with pytest.raises(GatewayError, match="open one first"):
        await own_gateway.change("unknown", EgressRules())
    assert (await asyncio.to_thread(get, directory, host)).startswith(b"HTTP/1.1 200")
