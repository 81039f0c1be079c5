"""Processor time of each process of an installation, per task, with every one of them a process of its own."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from tests.benchmarks.figures import Figure
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, configure
from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port, temporal_server
from workers.parts.host import HostParts
from workers.parts.shared import SharedParts
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.status import Stage

_TASKS = 6


async def measure(state: Path) -> list[Figure]:
    """What the tasks add to each process's counter."""
    agents = configure(state)
    settings = Settings(state=state, temporal_address=f"127.0.0.1:{free_port()}", temporal_ui_port=free_port())
    repository = make_repository(state / "repository", FILES)
    server = temporal_server(
        state / "temporal", settings.temporal_address, settings.temporal_ui_port, settings.temporal_namespace
    )
    async with server, serving_process("worker", settings) as worker, serving_process("gateway", settings) as gateway:
        parts = HostParts.load(SharedParts.load(settings))
        installation = Installation(settings, parts, agents)
        await _task(installation, repository)
        processes = {
            "worker": worker,
            "gateway": gateway,
            "envoy": _named("envoy", state),
            "temporal": _named("temporal", state),
        }
        before = {name: _seconds(process) for name, process in processes.items()}
        for _ in range(_TASKS):
            await _task(installation, repository)
        used = {name: (_seconds(process) - before[name]) / _TASKS for name, process in processes.items()}
        with contextlib.suppress(Exception):
            await parts.gateway.stop()
    return [
        Figure(f"cpu_s_per_task_{name}", round(seconds, 3), "s", detail=f"mean of {_TASKS} tasks, asked to merged")
        for name, seconds in used.items()
    ]


async def _task(installation: Installation, repository: Path) -> None:
    base = repository / "calc.py"
    task = await installation.ask(repository, "mender")
    await installation.reaches(task, Stage.REVIEW)
    await installation.decide(task, Action.APPROVE)
    await installation.decide(task, Action.MERGE)
    await installation.reaches(task, Stage.ENDED)
    await installation.revert(task)
    assert "a - b" in base.read_text()


@asynccontextmanager
async def serving_process(command: str, settings: Settings, **more: str) -> AsyncIterator[psutil.Process]:
    """A part with its default settings but for where its state and Temporal are, until the block ends.

    `more`: of its environment.
    """
    environment = os.environ | {
        "JOURNEYMAN_STATE": str(settings.state),
        "JOURNEYMAN_TEMPORAL_ADDRESS": settings.temporal_address,
        **more,
    }
    process = await asyncio.create_subprocess_exec(
        str(program("journeyman")), command, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert b"serves" in await process.stdout.readline()
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


def _named(name: str, state: Path) -> psutil.Process:
    """The one process of this installation whose command names the program and the state."""
    for process in psutil.process_iter(["cmdline", "name"]):
        line = process.info["cmdline"] or []
        if line and name in Path(line[0]).name and any(str(state) in word for word in line):
            return process
    raise RuntimeError(f"there is no process {name} with its state in {state}")


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
