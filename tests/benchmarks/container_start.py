"""The same as sandbox_start for containers: to the first instruction, and from there to the end, beside bare Podman."""

import asyncio
import sys
import time
from pathlib import Path

from activities.egress.contract import EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.sandbox.container.backend import ContainerBackend
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import stage_runtime
from tests.benchmarks import bare_starts
from tests.benchmarks.figures import Figure, median, spread
from tests.support.engines import BASE, Podman, serving

_RUNS = 20


async def measure(state: Path) -> list[Figure]:
    """Alternate between both. Nothing where there is no Podman."""
    if reason := Podman.why_not():
        sys.stderr.write(f"containers are not measured: {reason}\n")
        return []
    with serving("podman") as podman:
        stage = stage_runtime(state)
        backend = ContainerBackend(stage, socket=str(podman.socket), image=BASE)
        sandboxes = HostSandboxes(state / "runs", backend)
        gateway = EnvoyGateway(state / "egress")
        await gateway.ensure_running()
        await asyncio.to_thread(sandboxes.grades)
        begun, ended, bare = [], [], []
        try:
            for number in range(_RUNS + 1):
                to_begin, to_end = await _ours(sandboxes, gateway, f"bench-{number}")
                plain = await asyncio.to_thread(bare_starts.podman, podman)
                if number:
                    begun.append(to_begin)
                    ended.append(to_end)
                    bare.append(plain)
        finally:
            await gateway.stop()
    return [
        Figure(
            "container_start_vs_podman",
            round(median(begun) / median(bare), 4),
            detail=f"ours {median(begun) * 1000:.0f} ms with egress, limits and record ({spread(begun)} s); bare "
            f"`podman run` {median(bare) * 1000:.0f} ms",
        ),
        Figure("container_whole_ms", round(median(ended) * 1000, 1), "ms", detail="asked for, run, removed, told"),
    ]


async def _ours(sandboxes: HostSandboxes, gateway: EnvoyGateway, run_id: str) -> tuple[float, float]:
    uid = sandboxes.take_uid()
    began = time.time()
    egress = await gateway.open(run_id, EgressRules(hosts=("api.example.com",)), uid)
    spec = SandboxSpec(run_id=run_id, command=bare_starts.SAY_WHEN, egress=egress, uid=uid)
    _, output = await sandboxes.run(spec)
    over = time.time() - began
    await gateway.close(run_id)
    await gateway.forget(run_id)
    await sandboxes.forget(run_id)
    sandboxes.give_back_uid(uid)
    return float(output.decode().strip().replace(",", ".")) - began, over
