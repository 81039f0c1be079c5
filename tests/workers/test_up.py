"""`journeyman up` and its Temporal server live and die together, whichever of them is killed."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.workers.installation import configure
from tests.workers.terminal import left_of
from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port

pytestmark = pytest.mark.xdist_group("restart")


async def start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    """The command, when it says that everything is up."""
    up = await asyncio.create_subprocess_exec(
        *(str(program("journeyman")), "up"),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert up.stdout is not None
    async with asyncio.timeout(60):
        said = b""
        while b"Ctrl-C" not in said:
            said += (line := await up.stdout.readline())
            assert line, said
    return up


def temporal_of(up: asyncio.subprocess.Process) -> psutil.Process:
    (server,) = (child for child in psutil.Process(up.pid).children() if "start-dev" in child.cmdline())
    return server


async def test_up_that_is_asked_to_end_again_and_again_still_leaves_nothing(state: Path) -> None:
    configure(state)
    where = {"JOURNEYMAN_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}", "JOURNEYMAN_TEMPORAL_UI_PORT": str(free_port())}
    serving = await start({"JOURNEYMAN_STATE": str(state), **where})
    for _ in range(4):
        serving.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(serving.wait(), 0.15)
    async with asyncio.timeout(60):
        assert await serving.wait() == 0
    assert left_of(state) == []


async def test_a_killed_up_leaves_no_temporal_and_a_killed_temporal_ends_up_with_a_reason(state: Path) -> None:
    configure(state)
    environment = {
        "JOURNEYMAN_STATE": str(state),
        "JOURNEYMAN_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        "JOURNEYMAN_TEMPORAL_UI_PORT": str(free_port()),
    }
    first = await start(environment)
    server = temporal_of(first)
    first.kill()
    await asyncio.to_thread(server.wait, 10)
    # Its ports are free, so the next one comes up at once.
    second = await start(environment)
    temporal_of(second).send_signal(signal.SIGKILL)
    async with asyncio.timeout(60):
        _, said = await second.communicate()
    assert second.returncode == 1
    assert "the Temporal server ended" in said.decode()
    assert "Start again" in said.decode()
