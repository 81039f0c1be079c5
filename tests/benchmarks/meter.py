"""What counting costs and what it counts: our meter beside Envoy's own filters in its place, and beside no meter.

The same requests to the same scripted model, through four gateways that differ in this alone, in turns.
"""

import asyncio
import http.client
import json
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from activities.egress.contract import BrokeredService, EgressRules
from activities.egress.daemon import wait_for
from activities.egress.gateway import EnvoyGateway
from activities.egress.metering.books import Books
from activities.egress.opened import key
from activities.egress.places import Places
from tests.activities.egress.providers import Provider, exchange, provider
from tests.benchmarks.figures import Figure
from tests.benchmarks.meter_cases import ENDPOINTS, Reading, cases, request
from tests.benchmarks.meter_variants import VARIANTS, variant
from tests.support.model_script import Call, Script, Turn
from tests.support.model_server import model_server

_ROUNDS, _REQUESTS, _STREAMS = 12, 20, 5
"""Of each kind, in each round."""
_LONG = 200
"""Tool calls in the long stream; each is three events."""
_EVENTS = _LONG * 3
_SANDBOX = "metered"
_MODEL, _CASES = "model.bench.internal", "cases.bench.internal"
_UNREAD = Reading(0, 0, 0)
OURS, _NOTHING = "ext_proc", "nothing"


@dataclass
class Measured:
    """One gateway and what was measured of it."""

    directory: Path
    processes: dict[str, psutil.Process]
    read: Callable[[], tuple[int, Reading]]
    """How many requests it has counted, and what it read of the last one."""
    new: list[float] = field(default_factory=list)
    """Seconds of a request, the median of each round, and so are the next two."""
    kept: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)
    long: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    wrong: list[str] = field(default_factory=list)

    def events(self) -> list[float]:
        """Seconds that each further event of a stream takes, by round."""
        return [(long - short) / _EVENTS for long, short in zip(self.long, self.short, strict=True)]

    def has_more_than(self, count: int) -> bool:
        """Whether it has counted more requests."""
        return self.read()[0] > count

    def processor(self) -> dict[str, float]:
        """Seconds of each process for a thousand requests."""
        return {name: 1000 * seconds / self.requests for name, seconds in self.seconds.items()}


class _Connection(http.client.HTTPConnection):
    """To a sandbox's own socket, kept until it is closed."""

    def __init__(self, directory: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._directory = directory

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._directory / "egress.sock"))

    def ask(self, host: str) -> float:
        """Seconds until the whole answer is there."""
        began = time.perf_counter()
        self.request("POST", f"http://{host}/v1/messages", request("/v1/messages"), {"Host": host})
        answer = self.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the scripted model's answer came with status {answer.status}")
        return time.perf_counter() - began


async def measure(state: Path) -> list[Figure]:
    """All gateways run from the beginning to the end, and are asked in turns."""
    short, long = Script([Turn(text="yes")]), Script([Turn(actions=(Call("x", {}),) * _LONG)])
    with model_server(short) as model, provider() as scripted:
        async with gateways(state, model.port, scripted.port) as all_of_them:
            turns = list(all_of_them.values())
            for number in range(_ROUNDS + 1):
                # Another one begins each round, so that none is always the one behind a busy one.
                for each in turns[number % len(turns) :] + turns[: number % len(turns)]:
                    model.script = short
                    await asyncio.to_thread(_requests, each, number > 0)
                    await asyncio.to_thread(_streams, each.directory, each.short if number else [])
                    model.script = long
                    await asyncio.to_thread(_streams, each.directory, each.long if number else [])
            for each in turns:
                await asyncio.to_thread(try_all, each, scripted)
            return _figures(all_of_them)


@asynccontextmanager
async def gateways(state: Path, model: int, scripted: int) -> AsyncIterator[dict[str, Measured]]:
    """Ours and each of the others, with two providers on these ports behind every one of them."""
    services = tuple(
        BrokeredService(
            host=host,
            upstream=f"http://127.0.0.1:{port}",
            private=True,
            credential="bench",
            header="authorization",
            endpoints=ENDPOINTS,
        )
        for host, port in ((_MODEL, model), (_CASES, scripted))
    )
    gateway = EnvoyGateway(state / "m0", credentials={"bench": None})
    async with AsyncExitStack() as stack:
        stack.push_async_callback(gateway.stop)
        directory = await gateway.open(_SANDBOX, EgressRules(brokered=services), None)
        all_of_them = {OURS: _ours(directory, Places(state / "m0"))}
        for number, (name, filters) in enumerate(VARIANTS.items(), 1):
            root = state / f"m{number}"
            opened, pid = await stack.enter_async_context(variant(state / "m0", root, _SANDBOX, filters))
            all_of_them[name] = Measured(opened, {"Envoy": psutil.Process(pid)}, _from_log(Places(root)))
        yield all_of_them


def _requests(measured: Measured, counted: bool) -> None:
    """A round of short answers. The first one of all is not counted: everything is cold."""
    before = {name: _processor_seconds(process) for name, process in measured.processes.items()}
    new, kept = [], []
    for _ in range(_REQUESTS):
        connection = _Connection(measured.directory)
        new.append(connection.ask(_MODEL))
        connection.close()
    connection = _Connection(measured.directory)
    connection.ask(_MODEL)
    kept = [connection.ask(_MODEL) for _ in range(_REQUESTS)]
    connection.close()
    if counted:
        measured.new.append(statistics.median(new))
        measured.kept.append(statistics.median(kept))
        measured.requests += 2 * _REQUESTS + 1
        for name, process in measured.processes.items():
            spent = _processor_seconds(process) - before[name]
            measured.seconds[name] = measured.seconds.get(name, 0) + spent


def _streams(directory: Path, into: list[float]) -> None:
    connection = _Connection(directory)
    connection.ask(_MODEL)
    into.append(statistics.median([connection.ask(_MODEL) for _ in range(_STREAMS)]))
    connection.close()


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def try_all(measured: Measured, scripted: Provider) -> None:
    """Every case, and whether it was passed on and read right."""
    for case in cases():
        scripted.answer = case.answer
        count, _ = measured.read()
        body = request(case.path)
        head = f"POST http://{_CASES}{case.path} HTTP/1.1\r\nHost: {_CASES}\r\nContent-Length: {len(body)}\r\n"
        passed_on = exchange(measured.directory, head.encode() + b"Connection: close\r\n\r\n" + body)
        if not wait_for(partial(measured.has_more_than, count), 10):
            raise RuntimeError(f"no record was written of {case.name}")
        # What was cut may be so before its head was passed on.
        if not case.answer.cut and not passed_on.startswith(b"HTTP/1.1 200 "):
            measured.wrong.append(f"{case.name} (not passed on)")
        elif not case.right(measured.read()[1]):
            measured.wrong.append(case.name)


def _ours(directory: Path, places: Places) -> Measured:
    processes = {
        name: psutil.Process(json.loads((places.kept / f"{record}.json").read_text())["pid"])
        for name, record in (("Envoy", "envoy"), ("meter", "meter"))
    }
    books = Books(places)

    def read() -> tuple[int, Reading]:
        books.wait_until_ended(key(_SANDBOX))
        entries = books.entries(key(_SANDBOX))
        if not entries:
            return 0, _UNREAD
        used = entries[-1].metered
        return len(entries), Reading(used.input_tokens, used.output_tokens, used.cache_read_tokens)

    return Measured(directory, processes, read)


def _from_log(places: Places) -> Callable[[], tuple[int, Reading]]:
    log = places.logs / "requests-0.jsonl"

    def read() -> tuple[int, Reading]:
        lines = log.read_text().splitlines() if log.exists() else []
        if not lines:
            return 0, _UNREAD
        last = json.loads(lines[-1])
        stated = {name: int(last[name] or 0) for name in ("input", "output", "cached")}
        if last["declared"] != "/v1/messages":
            # OpenAI's input includes what was cached.
            stated["input"] -= stated["cached"]
        return len(lines), Reading(**stated)

    return read


def _figures(all_of_them: dict[str, Measured]) -> list[Figure]:
    plain = all_of_them[_NOTHING]
    found: list[Figure] = []
    for name, each in all_of_them.items():
        processor = each.processor()
        told = ", ".join(f"{process} {seconds:.2f}" for process, seconds in processor.items())
        found.append(
            Figure(f"meter_{name}_cpu_s_per_1000", round(sum(processor.values()), 3), "s", detail=f"requests: {told}")
        )
        if each is plain:
            continue
        for suffix, ours, theirs in (("ms", each.new, plain.new), ("kept_ms", each.kept, plain.kept)):
            connection = "new" if suffix == "ms" else "kept"
            detail = f"added to {statistics.median(theirs) * 1000:.2f} ms without a meter, on a {connection} connection"
            found.append(Figure(f"meter_{name}_{suffix}", round(_added(ours, theirs) * 1000, 3), "ms", detail=detail))
        added = _added(each.events(), plain.events()) * 1_000_000
        detail = f"added to {statistics.median(plain.events()) * 1_000_000:.0f} µs for each further event of a stream"
        found.append(Figure(f"meter_{name}_event_us", round(added, 1), "µs", detail=detail))
        known = len(cases())
        right = f"of {known} answers; wrong: {', '.join(each.wrong) or 'none'}"
        found.append(Figure(f"meter_{name}_right", known - len(each.wrong), goal=known, better="more", detail=right))
    return found


def _added(ours: list[float], theirs: list[float]) -> float:
    """The median of the rounds' differences: within a round the machine was as busy for both."""
    return statistics.median(mine - other for mine, other in zip(ours, theirs, strict=True))
