"""Typing a command as a person would, and looking at what it leaves."""

import asyncio
import os
from pathlib import Path

import psutil

from workers.embedded.programs import program


class Typed:
    """What came of a command."""

    def __init__(self, code: int, out: str, error: str) -> None:
        self.code = code
        self.out = out
        self.error = error


def environment(state: Path, **more: str) -> dict[str, str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYMAN_")}
    return base | {"JOURNEYMAN_STATE": str(state), "COLUMNS": "200"} | more


async def typed(state: Path, *arguments: str, **more: str) -> Typed:
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


def left_of(state: Path) -> list[str]:
    """Processes that still name this state directory."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if str(state) in " ".join(process.info["cmdline"] or []):
            found.append(" ".join(process.info["cmdline"]))
    return found
