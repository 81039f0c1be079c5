"""An installation of processes that can be killed one by one: Temporal, a gateway, and two hosts with a worker each."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client

from tests.chaos import agent
from tests.chaos.parts import Part
from tests.workers.installation import Terminal
from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port, server_command
from workers.parts.shared import SharedParts
from workers.settings import Settings
from workers.temporal import connect

HOSTS = ("north", "south")
PLACES = 3
"""Workspaces of each host at the same time."""
LEASE_SECONDS = 15.0
LAPSE_SECONDS = 120.0
SILENCE_SECONDS = 20.0
_UP_SECONDS = 180.0


class World(Terminal):
    """Everything that can be hit, and what is known of it from outside."""

    def __init__(self, settings: Settings, repositories: tuple[Path, ...]) -> None:
        super().__init__(settings)
        self.state = settings.state
        self.repositories = repositories
        self.shared = SharedParts.load(settings)
        """To read the record with; nothing of it serves anybody."""
        logs = self.state / "outputs"
        logs.mkdir()
        environment = os.environ | {
            "JOURNEYMAN_STATE": str(self.state),
            "JOURNEYMAN_TEMPORAL_ADDRESS": settings.temporal_address,
            "JOURNEYMAN_CAPACITY": str(PLACES),
            "JOURNEYMAN_LEASE_SECONDS": str(LEASE_SECONDS),
            "JOURNEYMAN_LAPSE_SECONDS": str(LAPSE_SECONDS),
            "JOURNEYMAN_HOST_SILENCE_SECONDS": str(SILENCE_SECONDS),
            "JOURNEYMAN_CHECKPOINT_CALLS": "1",
            "JOURNEYMAN_CHECKPOINT_SECONDS": "30",
        }
        journeyman = (sys.executable, str(program("journeyman")))
        server = server_command(
            self.state / "temporal" / "temporal.db",
            settings.temporal_address,
            settings.temporal_ui_port,
            settings.temporal_namespace,
        )
        (self.state / "temporal").mkdir(mode=0o700)
        self.temporal = Part("temporal", server, logs / "temporal", os.environ)
        self.gateway_part = Part("gateway", (*journeyman, "gateway"), logs / "gateway", environment)
        self.workers = {
            host: Part(f"worker {host}", (*journeyman, "worker"), logs / host, environment | {"JOURNEYMAN_HOST": host})
            for host in HOSTS
        }
        self._client: Client | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """In the order in which they are started."""
        return (self.temporal, self.gateway_part, *self.workers.values())

    def host_root(self, host: str) -> Path:
        """The directory of a host."""
        return self.settings.hosts / host

    async def client(self) -> Client:
        """Temporal's. Waits for a server that is just down."""
        if self._client is None:
            self._client = await connect(self.settings.temporal_address, self.settings.temporal_namespace)
        return self._client

    async def answers(self) -> bool:
        """Whether the gateway does, and with it Temporal."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self.gateway("ada").tasks), 10)
        except Exception:
            return False
        return True


@asynccontextmanager
async def world(state: Path, repositories: int) -> AsyncIterator[World]:
    """Up until the block ends."""
    agent.configure(state)
    made = tuple(agent.repository(state / f"notes{number}.git") for number in range(repositories))
    settings = Settings(
        state=state,
        host="watcher",
        temporal_address=f"127.0.0.1:{free_port()}",
        temporal_ui_port=free_port(),
        host_silence_seconds=SILENCE_SECONDS,
    )
    here = World(settings, made)
    try:
        await here.temporal.start()
        async with asyncio.timeout(_UP_SECONDS):
            while not _listens(settings.temporal_address):
                await asyncio.sleep(0.1)
            for part in here.parts[1:]:
                await part.start()
            while not await here.answers():
                await asyncio.sleep(0.2)
        yield here
        # Who is ended in the middle of being started can't end what the worker before it had left running.
        for worker in here.workers.values():
            await worker.says(b" serves ", _UP_SECONDS)
    finally:
        for part in reversed(here.parts):
            with contextlib.suppress(ProcessLookupError):
                await part.stop()
        await here.shared.close()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
