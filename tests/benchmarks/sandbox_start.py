"""From asking for a sandbox with its way out to its first instruction, beside bare bubblewrap, Podman and srt."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from activities.egress.contract import EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from tests.benchmarks import bare_starts
from tests.benchmarks.figures import Figure, median, spread
from tests.support.engines import Podman, serving

_RUNS = 20
_WHAT = {
    "bwrap": "bare bubblewrap running `import asyncio`",
    "podman": "a bare `podman run` without a network",
    "srt": "srt with one host allowed",
}


async def measure(state: Path) -> list[Figure]:
    """Alternate between all that are here."""
    stage = stage_runtime(state)
    sandboxes = BubblewrapSandboxes(state / "runs", stage)
    gateway = EnvoyGateway(state / "egress")
    await gateway.ensure_running()
    await asyncio.to_thread(sandboxes.grades)
    ours: list[float] = []
    async with AsyncExitStack() as stack:
        stack.push_async_callback(gateway.stop)
        others: dict[str, Callable[[], float]] = {"bwrap": lambda: bare_starts.bubblewrap(str(stage.bubblewrap))}
        missing: dict[str, str] = {}
        if reason := Podman.why_not():
            missing["podman"] = reason
        else:
            engine = stack.enter_context(serving("podman"))
            others["podman"] = lambda: bare_starts.podman(engine)
        srt = bare_starts.Srt(state, stage.bubblewrap)
        if reason := srt.why_not():
            missing["srt"] = reason
        else:
            others["srt"] = srt.start
        bare: dict[str, list[float]] = {name: [] for name in others}
        for number in range(_RUNS + 1):
            took = await _ours(sandboxes, gateway, f"bench-{number}")
            plain = {name: await asyncio.to_thread(start) for name, start in others.items()}
            if number:
                ours.append(took)
                for name, seconds in plain.items():
                    bare[name].append(seconds)
    for name, reason in missing.items():
        sys.stderr.write(f"sandbox_start_vs_{name} is not measured: {reason}\n")
    return [_figure(name, ours, bare.get(name), missing.get(name, "")) for name in _WHAT]


def _figure(name: str, ours: list[float], bare: list[float] | None, reason: str) -> Figure:
    key, goal = f"sandbox_start_vs_{name}", 3 if name == "bwrap" else None
    if bare is None:
        return Figure(key, None, detail=f"not measured: {reason}")
    detail = (
        f"ours {median(ours) * 1000:.0f} ms with egress, limits and record ({spread(ours)} s); "
        f"{_WHAT[name]} {median(bare) * 1000:.0f} ms"
    )
    return Figure(key, round(median(ours) / median(bare), 4), goal=goal, detail=detail)


async def _ours(sandboxes: BubblewrapSandboxes, gateway: EnvoyGateway, run_id: str) -> float:
    uid = sandboxes.take_uid()
    began = time.time()
    egress = await gateway.open(run_id, EgressRules(hosts=("api.example.com",)), uid)
    spec = SandboxSpec(run_id=run_id, command=bare_starts.SAY_WHEN, egress=egress, uid=uid)
    _, output = await sandboxes.run(spec)
    await gateway.close(run_id)
    await gateway.forget(run_id)
    await sandboxes.forget(run_id)
    sandboxes.give_back_uid(uid)
    return float(output.decode().strip().replace(",", ".")) - began
