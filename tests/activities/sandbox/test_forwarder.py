"""The only way out of a sandbox: 127.0.0.1 inside, to the gateway's unix socket outside."""

import contextlib
import hashlib
import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.activities.sandbox.cell import Cell, eventually

FETCH = """
import http.client, json, os, time
def fetch(path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=20)
    connection.request("POST" if body else "GET", path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()
def wait_for(name):
    while not os.path.exists("/work/" + name):
        time.sleep(0.01)
"""


class Gateway:
    """An HTTP server of the test on the socket where the real gateway's would be."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "egress.sock"
        self.full = threading.Event()
        """Somebody has been sent as much as the way takes, and the server has gone."""
        self.sent = 0

    @contextlib.contextmanager
    def serving(self, name: str) -> Iterator[list[str]]:
        """Serve on a new socket, as a restarted gateway does; yields the paths that were asked for."""
        asked: list[str] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked.append(self.path)
                if self.path == "/until-full":
                    self._fill()
                else:
                    self._answer(name.encode())

            def finish(self) -> None:
                super().finish()
                if gateway.sent:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    gateway.full.set()

            def _fill(self) -> None:
                """Send until nobody takes any more, then go."""
                self.connection.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    while True:
                        gateway.sent += self.connection.send(bytes(65536))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(body[::-1])

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_: object) -> None: ...

            def address_string(self) -> str:
                return "sandbox"

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            request_queue_size = 128

        self.socket.unlink(missing_ok=True)
        with Server(str(self.socket), Handler) as server:
            self.socket.chmod(0o666)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            yield asked
            server.shutdown()


@pytest.fixture
def gateway(cell: Cell) -> Gateway:
    directory = cell.workspace.with_name(f"{os.urandom(4).hex()}-e")
    directory.mkdir(mode=0o700)
    cell.own(directory)
    return Gateway(directory)


async def test_a_request_goes_through_the_gateways_socket_and_nowhere_else(cell: Cell, gateway: Gateway) -> None:
    code = f"{FETCH}\nimport socket\nstatus, body = fetch('http://example.test/a')\n"
    code += "print(json.dumps([status, body.decode(), [name for _, name in socket.if_nameindex()]]))"
    with gateway.serving("first") as asked:
        assert await cell.ask(code, egress=gateway.directory) == [200, "first", ["lo"]]
    assert asked == ["http://example.test/a"]


async def test_a_restarted_gateway_is_found_again_in_the_middle_of_a_run(cell: Cell, gateway: Gateway) -> None:
    code = f"{FETCH}\nprint(fetch('/')[1].decode(), flush=True); wait_for('go'); print(fetch('/')[1].decode())"
    with gateway.serving("first"):
        run_id = await cell.start("python3", "-I", "-S", "-c", code, egress=gateway.directory)
        await cell.says(run_id, b"first")
    with gateway.serving("second"):
        (cell.workspace / "go").touch()
        assert (await cell.end(run_id))[1] == b"first\nsecond\n"


async def test_a_request_waits_for_a_gateway_that_is_on_its_way_back(cell: Cell, gateway: Gateway) -> None:
    code = f"{FETCH}\nprint('asking', flush=True); print(fetch('/')[1].decode())"
    run_id = await cell.start("python3", "-I", "-S", "-c", code, egress=gateway.directory)
    await cell.says(run_id, b"asking")
    with gateway.serving("back"):
        assert (await cell.end(run_id))[1] == b"asking\nback\n"


async def test_a_gateway_that_cannot_be_had_is_named_instead_of_a_silent_hang(cell: Cell, gateway: Gateway) -> None:
    gateway.socket.symlink_to(gateway.socket.name)
    status, body = await cell.ask(
        f"{FETCH}\nstatus, body = fetch('/')\nprint(json.dumps([status, body.decode()]))", egress=gateway.directory
    )
    assert status == 502
    assert "egress gateway of this sandbox does not answer" in body


async def test_large_bodies_arrive_whole_both_ways_and_many_at_once(cell: Cell, gateway: Gateway) -> None:
    code = f"""{FETCH}
import hashlib, threading
body = bytes(range(256)) * 8192
answers = []
def one():
    answers.append(hashlib.sha256(fetch("/", body)[1]).hexdigest())
threads = [threading.Thread(target=one) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(answers))
"""
    expected = hashlib.sha256((bytes(range(256)) * 8192)[::-1]).hexdigest()
    with gateway.serving("echo"):
        assert await cell.ask(code, egress=gateway.directory) == [expected] * 12


async def test_an_answer_that_is_read_late_costs_no_processor_time(cell: Cell, gateway: Gateway) -> None:
    # The server has gone long before: a closed socket reports itself for ever to who asks in a loop.
    code = f"""{FETCH}
import glob, socket
def ticks():
    stats = [open(name).read().rsplit(")", 1)[1].split() for name in glob.glob("/proc/[0-9]*/stat")]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats)
client = socket.create_connection(("127.0.0.1", 3128))
client.sendall(b"GET /until-full HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
wait_for("gone")
before = ticks()
time.sleep(0.6)
used = ticks() - before
received = 0
while data := client.recv(1 << 20):
    received += len(data)
print(json.dumps([used / os.sysconf("SC_CLK_TCK"), received]))
"""
    with gateway.serving("large"):
        run_id = await cell.start("python3", "-I", "-S", "-c", code, egress=gateway.directory)
        await eventually(gateway.full.is_set, "the way is full")
        (cell.workspace / "gone").touch()
        status, output = await cell.end(run_id)
    assert status.exit_code == 0, output
    used, received = json.loads(output)
    assert used < 0.25
    assert received == gateway.sent


async def test_a_half_closed_connection_still_gets_its_answer(cell: Cell, gateway: Gateway) -> None:
    code = f"""{FETCH}
import socket
client = socket.create_connection(("127.0.0.1", 3128))
client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
client.shutdown(socket.SHUT_WR)
received = b""
while data := client.recv(4096):
    received += data
print(json.dumps(received.decode().splitlines()[-1]))
"""
    with gateway.serving("answer"):
        assert await cell.ask(code, egress=gateway.directory) == "answer"


async def test_the_gateways_directory_cannot_be_changed_from_inside(cell: Cell, gateway: Gateway) -> None:
    with gateway.serving("first") as asked:
        _, output = await cell.shell(
            "rm -f /run/egress/egress.sock; touch /run/egress/x; ls /run/egress", egress=gateway.directory
        )
        assert output.splitlines()[-1] == b"egress.sock"
    assert asked == []


async def test_connections_that_nobody_uses_any_more_are_let_go(cell: Cell, gateway: Gateway) -> None:
    code = f"""{FETCH}
import glob
for _ in range(200):
    fetch("/")
def held():
    return max(len(os.listdir(name)) for name in glob.glob("/proc/[0-9]*/fd") if os.access(name, os.R_OK))
deadline = time.monotonic() + 10
while held() > 20 and time.monotonic() < deadline:
    time.sleep(0.01)
print(json.dumps(held()))
"""
    with gateway.serving("x") as asked:
        assert await cell.ask(code, egress=gateway.directory) <= 20
        await eventually(lambda: len(asked) == 200, "all requests came")
