"""What is left over when every task has ended: nothing should be."""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.chaos.observer import Observer
from tests.chaos.processes import ours
from tests.chaos.world import HOSTS, World

_SETTLE_SECONDS = 150.0
"""For what sweeps and leases end by themselves."""
_FOLDERS = (
    "runs",
    "workspaces",
    "inputs",
    "scratch",
    "placements",
    "preparations",
    "sessions",
    "checkpoints",
    "losses",
)
_KEPT = {"lease", ".uids"}
_CGROUPS = Path("/sys/fs/cgroup")


async def settled(world: World, observer: Observer) -> list[str]:
    """What is still there although no task needs it, after as long as sweeps may take."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (left := await asyncio.to_thread(_left, world, observer)) and time.monotonic() < deadline:
        await asyncio.sleep(1)
    return left


async def after_the_end(world: World, observer: Observer) -> list[str]:
    """What is still there although the whole installation was ended."""
    return await asyncio.to_thread(lambda: [*_processes(world.state), *_listeners(world), *_left(world, observer)])


def _left(world: World, observer: Observer) -> list[str]:
    return [*_directories(world), *_supervisors(world.state), *_mounts(world.state), *_cgroups(observer)]


def _directories(world: World) -> Iterator[str]:
    for host in HOSTS:
        root = world.host_root(host)
        for name in _FOLDERS:
            folder = root / name
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.name not in _KEPT:
                    yield f"directory {path.relative_to(world.state)}"
        sandboxes = root / "egress" / "sandboxes"
        for path in sandboxes.iterdir() if sandboxes.is_dir() else ():
            yield f"listener {path.relative_to(world.state)}"


def _supervisors(state: Path) -> Iterator[str]:
    for process in ours(state):
        words = process.info["cmdline"] or []
        if "activities.sandbox.supervisor" in words:
            yield f"process {process.pid} {' '.join(words)[-80:]}"


def _processes(state: Path) -> Iterator[str]:
    seen = set()
    for process in ours(state):
        seen.add(process.pid)
        yield f"process {process.pid} {' '.join(process.info['cmdline'] or [])[:120]}"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in seen and process.cwd().startswith(f"{state}/"):
                yield f"process {process.pid} {process.name()} in {process.cwd()}"


def _mounts(state: Path) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if f" {state}/" in line:
            yield f"mount {line.split()[4]}"


def _cgroups(observer: Observer) -> Iterator[str]:
    for directory, folders, _ in os.walk(_CGROUPS):
        for name in folders:
            if name in observer.cgroups:
                yield f"cgroup {directory}/{name}"


def _listeners(world: World) -> Iterator[str]:
    ports = {int(world.settings.temporal_address.rpartition(":")[2]), world.settings.temporal_ui_port}
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port in ports:
            yield f"listener on port {connection.laddr.port}"
