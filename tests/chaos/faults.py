"""What is done to the world: one fault at a time, drawn by a seed before anything runs."""

import asyncio
import itertools
import json
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.parts import Part
from tests.chaos.processes import Supervised, send, supervised
from tests.chaos.world import HOSTS, World

_PATIENCE_SECONDS = 20.0
"""For a victim to be there, such as a run of an agent."""
_LONGEST_PAUSE = 12.0
_HOST_DOWN = 12.0


@dataclass(frozen=True)
class Drawn:
    """One fault as it was drawn."""

    number: int
    kind: str
    after_seconds: float
    """Since the fault before it."""
    pick: float
    """0 to 1: which of the victims that are there."""
    seconds: float
    """How long a pause lasts, where there is one."""


@dataclass
class Struck:
    """One fault as it happened."""

    drawn: Drawn
    at: float
    """Unix seconds."""
    victim: str
    tasks: frozenset[str] = field(default_factory=frozenset)
    """Those whose work it may have interrupted."""


class Nobody(Exception):
    """There was no victim of this kind when its turn came."""


Strike = Callable[[World, Drawn], Awaitable[tuple[str, frozenset[str]]]]


def draw(seed: int, mean_gap_seconds: float, kinds: tuple[str, ...]) -> Iterator[Drawn]:
    """The plan, which has no end: every kind equally often, in an order and at moments of the seed's own."""
    chance = random.Random(seed)
    numbers = itertools.count(1)
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            yield Drawn(
                number=next(numbers),
                kind=kind,
                after_seconds=chance.uniform(0.2, 1.8) * mean_gap_seconds,
                pick=chance.random(),
                seconds=chance.uniform(0.5, _LONGEST_PAUSE),
            )


def _of(world: World, host: str) -> frozenset[str]:
    """Tasks with a workspace on a host."""
    return frozenset(path.stem for path in (world.host_root(host) / "placements").glob("*.json"))


def _everybody(world: World) -> frozenset[str]:
    return frozenset().union(*(_of(world, host) for host in HOSTS))


def _host(drawn: Drawn) -> str:
    return HOSTS[int(drawn.pick * len(HOSTS))]


async def _signalled(part: Part, number: signal.Signals) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not part.send(number):
            await asyncio.sleep(0.05)


async def _paused(part: Part, seconds: float) -> None:
    await _signalled(part, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    part.send(signal.SIGCONT)


async def _kill_worker(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    host = _host(drawn)
    await _signalled(world.workers[host], signal.SIGKILL)
    return host, _of(world, host)


async def _stop_worker(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    host = _host(drawn)
    await _paused(world.workers[host], drawn.seconds)
    return host, _of(world, host)


async def _roll_worker(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    host = _host(drawn)
    tasks = _of(world, host)
    await _signalled(world.workers[host], signal.SIGTERM)
    return host, tasks


async def _kill_host(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    host = _host(drawn)
    tasks = _of(world, host)
    world.workers[host].hold_down(_HOST_DOWN)
    world.workers[host].send(signal.SIGKILL)
    for run in supervised(world.state):
        if run.host == host:
            send(run.supervisor, signal.SIGKILL)
    return host, tasks


async def _kill_gateway(world: World, _: Drawn) -> tuple[str, frozenset[str]]:
    await _signalled(world.gateway_part, signal.SIGKILL)
    return "gateway", frozenset()


async def _stop_gateway(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    await _paused(world.gateway_part, drawn.seconds)
    return "gateway", frozenset()


async def _kill_temporal(world: World, _: Drawn) -> tuple[str, frozenset[str]]:
    await _signalled(world.temporal, signal.SIGKILL)
    return "temporal", _everybody(world)


async def _stop_temporal(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    await _paused(world.temporal, drawn.seconds)
    return "temporal", _everybody(world)


async def _a_run(world: World, drawn: Drawn, *, agents: bool) -> Supervised:
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        runs = await asyncio.to_thread(supervised, world.state)
        if runs := [run for run in runs if run.inside and (run.is_agent or not agents)]:
            return runs[int(drawn.pick * len(runs))]
        await asyncio.sleep(0.05)
    raise Nobody


async def _kill_supervisor(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    run = await _a_run(world, drawn, agents=False)
    send(run.supervisor, signal.SIGKILL)
    return run.run_id, frozenset({run.task})


async def _kill_frozen(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    """The supervisor, in the moment in which its sandbox stands still for a checkpoint."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        for still in world.settings.hosts.glob("*/runs/*/still"):
            record = still.with_name("supervisor.json")
            if record.exists():
                pid = int(json.loads(record.read_bytes())["pid"])
                if send(pid, signal.SIGKILL):
                    return still.parent.name, frozenset({still.parent.name.split("-")[0]})
        await asyncio.sleep(0.002)
    raise Nobody


async def _stop_supervisor(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    run = await _a_run(world, drawn, agents=True)
    send(run.supervisor, signal.SIGSTOP)
    # Nobody lets it go on but the product.
    return run.run_id, frozenset({run.task})


async def _kill_sandboxed(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    run = await _a_run(world, drawn, agents=True)
    send((run.agents or run.inside)[-1], signal.SIGKILL)
    return run.run_id, frozenset({run.task})


def _envoy(world: World, drawn: Drawn) -> tuple[str, int]:
    host = _host(drawn)
    try:
        return host, int(json.loads((world.host_root(host) / "egress" / "kept" / "envoy.json").read_bytes())["pid"])
    except (FileNotFoundError, ValueError):
        raise Nobody from None


async def _kill_envoy(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    host, pid = _envoy(world, drawn)
    send(pid, signal.SIGKILL)
    return host, _of(world, host)


async def _stop_envoy(world: World, drawn: Drawn) -> tuple[str, frozenset[str]]:
    host, pid = _envoy(world, drawn)
    if send(pid, signal.SIGSTOP):
        await asyncio.sleep(drawn.seconds)
        send(pid, signal.SIGCONT)
    return host, _of(world, host)


KINDS: dict[str, Strike] = {
    "worker killed": _kill_worker,
    "worker paused": _stop_worker,
    "worker rolled": _roll_worker,
    "host lost": _kill_host,
    "supervisor killed": _kill_supervisor,
    "supervisor killed, run frozen": _kill_frozen,
    "supervisor paused": _stop_supervisor,
    "sandboxed process killed": _kill_sandboxed,
    "Envoy killed": _kill_envoy,
    "Envoy paused": _stop_envoy,
    "gateway killed": _kill_gateway,
    "gateway paused": _stop_gateway,
    "Temporal killed": _kill_temporal,
    "Temporal paused": _stop_temporal,
}
