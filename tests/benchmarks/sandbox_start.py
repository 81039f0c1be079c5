"""From asking for a sandbox with its way out to its first instruction, beside bare bubblewrap."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from activities.egress.contract import EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from tests.benchmarks.figures import Figure, median, spread

_RUNS = 20
_SAY_WHEN = ("bash", "-c", "echo $EPOCHREALTIME")


async def measure(state: Path) -> list[Figure]:
    """Alternate between both."""
    stage = stage_runtime(state)
    sandboxes = BubblewrapSandboxes(state / "runs", stage)
    gateway = EnvoyGateway(state / "egress")
    await gateway.ensure_running()
    await asyncio.to_thread(sandboxes.grades)
    ours, bare = [], []
    try:
        for number in range(_RUNS + 1):
            took = await _ours(sandboxes, gateway, f"bench-{number}")
            plain = await asyncio.to_thread(_bare, str(stage.bubblewrap))
            if number:
                ours.append(took)
                bare.append(plain)
    finally:
        await gateway.stop()
    return [
        Figure(
            "sandbox_start_vs_bwrap",
            round(median(ours) / median(bare), 4),
            goal=3,
            detail=f"ours {median(ours) * 1000:.0f} ms with egress, limits and record ({spread(ours)} s); bare bwrap "
            f"running `import asyncio` {median(bare) * 1000:.0f} ms",
        )
    ]


async def _ours(sandboxes: BubblewrapSandboxes, gateway: EnvoyGateway, run_id: str) -> float:
    uid = sandboxes.take_uid()
    began = time.time()
    egress = await gateway.open(run_id, EgressRules(hosts=("api.example.com",)), uid)
    spec = SandboxSpec(run_id=run_id, command=_SAY_WHEN, egress=egress, uid=uid)
    _, output = await sandboxes.run(spec)
    await gateway.close(run_id)
    await gateway.forget(run_id)
    await sandboxes.forget(run_id)
    sandboxes.give_back_uid(uid)
    return float(output.decode().strip().replace(",", ".")) - began


def _bare(program: str) -> float:
    command = [program, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    inside = "import asyncio, json, time; print(json.dumps(time.time()))"
    interpreter = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    began = time.time()
    done = subprocess.run([*drop, *command, interpreter, "-c", inside], check=True, capture_output=True)
    return float(json.loads(done.stdout)) - began
