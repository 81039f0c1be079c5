"""Fifty sandboxes at once: how late the last ones start, what each costs in memory, and how fast all of it is gone."""

import asyncio
import time
from pathlib import Path

import psutil

from activities.egress.contract import EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from tests.benchmarks.figures import Figure, median, percentile

_CROWD = 50
_SAY_WHEN_AND_STAY = ("bash", "-c", "echo $EPOCHREALTIME; exec sleep 600")
_GONE_SECONDS = 2.0


async def measure(state: Path) -> list[Figure]:
    """All are asked for in the same moment, each with a way out of its own."""
    sandboxes = BubblewrapSandboxes(state / "runs", stage_runtime(state))
    gateway = EnvoyGateway(state / "egress")
    await gateway.ensure_running()
    await asyncio.to_thread(sandboxes.grades)
    names = [f"crowd-{number}" for number in range(_CROWD)]
    try:
        began = time.time()
        started = await asyncio.gather(*(_start(sandboxes, gateway, name) for name in names))
        delays = [when - began for when in started]
        memory = await asyncio.to_thread(_memory_of, str(state))
        ending = time.monotonic()
        await asyncio.gather(*(sandboxes.stop(name, "measured") for name in names))
        stopped = time.monotonic() - ending
        while _processes(str(state)) and time.monotonic() - ending < 30:
            await asyncio.sleep(0.02)
        gone = time.monotonic() - ending
        for name in names:
            await gateway.close(name)
            await sandboxes.forget(name)
    finally:
        await gateway.stop()
    return [
        Figure(
            "start_p99_at_50_ms",
            round(percentile(delays, 99) * 1000, 1),
            "ms",
            detail=f"{_CROWD} asked for at once, with egress; half of them within {median(delays) * 1000:.0f} ms",
        ),
        Figure(
            "memory_mb_each_at_50",
            round(memory / _CROWD / 1024**2, 2),
            "MB",
            detail="supervisor, bubblewrap and forwarder, shared pages divided; without the command's own",
        ),
        Figure(
            "gone_s_at_50",
            round(gone, 3),
            "s",
            goal=_GONE_SECONDS,
            detail=f"from asking all {_CROWD} to stop until no process of them is left ({stopped:.2f} s until told)",
        ),
    ]


async def _start(sandboxes: BubblewrapSandboxes, gateway: EnvoyGateway, run_id: str) -> float:
    """When its first instruction ran, by the sandbox's own clock."""
    uid = await asyncio.to_thread(sandboxes.take_uid)
    egress = await gateway.open(run_id, EgressRules(hosts=("api.example.com",)), uid)
    await sandboxes.start(SandboxSpec(run_id=run_id, command=_SAY_WHEN_AND_STAY, egress=egress, uid=uid))
    said = asyncio.get_running_loop().create_future()

    async def hear(data: bytes, _: int) -> None:
        if not said.done():
            said.set_result(float(data.decode().split()[0].replace(",", ".")))

    following = asyncio.create_task(sandboxes.follow(run_id, 0, hear))
    try:
        return float(await said)
    finally:
        following.cancel()


def _processes(state: str) -> list[psutil.Process]:
    """Supervisors and what is below them, but not the egress gateway's own processes."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "activities.sandbox.supervisor" in line and any(state in word for word in line):
            try:
                below = process.children(recursive=True)
            except psutil.NoSuchProcess:
                continue
            found |= {each.pid: each for each in (process, *below)}
    return list(found.values())


def _memory_of(state: str) -> int:
    """Bytes, each shared page divided among those who share it; without the commands."""
    total = 0
    for process in _processes(state):
        try:
            if process.name() != "sleep":
                total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total
