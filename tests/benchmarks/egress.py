"""What the way out adds to a request: from inside a sandbox through the gateway, beside the same request directly."""

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from activities.egress.contract import BrokeredService, EgressRules, Endpoint
from activities.egress.gateway import EnvoyGateway
from activities.sandbox.contract import PROXY_PORT, SandboxSpec
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from tests.activities.egress.servers import name_server
from tests.benchmarks.figures import Figure

_REQUESTS = 200
_Times = list[list[float]]
"""Seconds of each request: on a connection of its own, then on one that is kept."""
_CLIENT = """
import http.client, json, socket, sys, time
host, port, target, authority, requests = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
def connect():
    connection = http.client.HTTPConnection(host, port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
def ask(connection):
    connection.request("GET", target, headers={"Host": authority})
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    answer.read()
new, kept = [], []
for number in range(requests + 20):
    began = time.perf_counter()
    connection = connect()
    ask(connection)
    connection.close()
    new.append(time.perf_counter() - began)
connection = connect()
for number in range(requests + 20):
    began = time.perf_counter()
    ask(connection)
    kept.append(time.perf_counter() - began)
print(json.dumps([sorted(times[20:]) for times in (new, kept)]))
"""


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def _server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


async def measure(state: Path) -> list[Figure]:
    """The same client: on the host, inside through the allowlist, and inside through the broker."""
    with _server() as port, name_server({"bench.test": ["127.0.0.1"]}) as resolver:
        allowed = f"bench.test:{port}"
        service = BrokeredService(
            host="bench.model.internal",
            upstream=f"http://127.0.0.1:{port}",
            private=True,
            credential="bench",
            header="authorization",
            endpoints=(Endpoint(method="GET", path="/"),),
        )
        sandboxes = BubblewrapSandboxes(state / "runs", stage_runtime(state))
        gateway = EnvoyGateway(state / "egress", resolvers=[resolver], credentials={"bench": None})
        try:
            through = await _inside(
                sandboxes, gateway, "plain", EgressRules(hosts=(allowed,), allow_private=True), allowed
            )
            brokered = await _inside(sandboxes, gateway, "brokered", EgressRules(brokered=(service,)), service.host)
        finally:
            await gateway.stop()
        told = await asyncio.to_thread(
            subprocess.run,
            ["/usr/bin/env", "python3", "-c", _CLIENT, "127.0.0.1", str(port), "/", allowed, str(_REQUESTS)],
            check=True,
            capture_output=True,
        )
        direct: _Times = json.loads(told.stdout)
    names = ("egress_new_ms", "egress_kept_ms", "egress_brokered_new_ms", "egress_brokered_kept_ms")
    return [
        Figure(name, round((median(ours) - median(theirs)) * 1000, 3), "ms", detail=_detail(ours, theirs))
        for name, ours, theirs in zip(names, (*through, *brokered), (*direct, *direct), strict=True)
    ]


async def _inside(
    sandboxes: BubblewrapSandboxes, gateway: EnvoyGateway, name: str, rules: EgressRules, authority: str
) -> _Times:
    uid = sandboxes.take_uid()
    egress = await gateway.open(name, rules, uid)
    inside = ("127.0.0.1", str(PROXY_PORT), f"http://{authority}/", authority, str(_REQUESTS))
    spec = SandboxSpec(run_id=name, command=("python3", "-c", _CLIENT, *inside), egress=egress, uid=uid)
    try:
        status, output = await sandboxes.run(spec)
        if status.exit_code != 0:
            raise RuntimeError(f"the client inside failed: {output.decode(errors='replace')[-500:]}")
    finally:
        await gateway.close(name)
        await sandboxes.forget(name)
        sandboxes.give_back_uid(uid)
    times: _Times = json.loads(output)
    return times


def _detail(ours: list[float], direct: list[float]) -> str:
    return f"added per request: {median(ours) * 1000:.2f} ms through the gateway, {median(direct) * 1000:.2f} directly"
