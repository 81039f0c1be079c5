"""Typing a command as a person would, and looking at what it leaves."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port


@dataclass(frozen=True)
class Typed:
    """What came of a command."""

    code: int
    out: str
    error: str


def ports() -> dict[str, str]:
    """Where a Temporal server of a test's own listens: another test may be using the default ports."""
    return {
        "JOURNEYMAN_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        "JOURNEYMAN_TEMPORAL_UI_PORT": str(free_port()),
    }


def environment(state: Path, **more: str) -> dict[str, str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYMAN_")}
    return base | {"JOURNEYMAN_STATE": str(state), "COLUMNS": "200"} | more


async def typed(state: Path, *arguments: str, **more: str) -> Typed:
    if arguments[0] == "up":
        more = ports() | more
    process = await asyncio.create_subprocess_exec(
        str(program("journeyman")),
        *arguments,
        env=environment(state, **more),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(100):
        out, error = await process.communicate()
    assert process.returncode is not None
    return Typed(process.returncode, out.decode(), error.decode())


class Running:
    """A program that serves, and what it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process, temporal_address: str) -> None:
        self.process = process
        self.temporal_address = temporal_address
        self.printed = bytearray()


@asynccontextmanager
async def up(state: Path, **more: str) -> AsyncIterator[Running]:
    """`journeyman up`, ready, until the block ends it; what it prints to both streams."""
    where = ports() | more
    process = await asyncio.create_subprocess_exec(
        str(program("journeyman")),
        "up",
        env=environment(state, PYTHONUNBUFFERED="1", **where),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    running = Running(process, where["JOURNEYMAN_TEMPORAL_ADDRESS"])
    async with asyncio.timeout(60):
        while b"Ctrl-C stops it" not in running.printed:
            part = await process.stdout.read(256)
            assert part, running.printed.decode()
            running.printed += part
    try:
        yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        running.printed += await process.stdout.read()
        await process.wait()


def left_of(state: Path) -> list[str]:
    """Processes that still name this state directory."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if str(state) in " ".join(process.info["cmdline"] or []):
            found.append(" ".join(process.info["cmdline"]))
    return found
