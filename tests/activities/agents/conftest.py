"""The real command lines in real sandboxes, through a real gateway, with a scripted model at the other end."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.egress.gateway import EnvoyGateway
from activities.policy.agent_tables import KeySource
from activities.removal import remove
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import Stage, stage_runtime
from tests.activities.agents.bench import Bench
from tests.activities.egress.servers import name_server
from tests.activities.sandbox.cell import Cell
from tests.support.agent_toolchains import shared_state


@pytest.fixture(scope="session")
def toolchain_state() -> Path:
    return shared_state()


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield path
    remove(path)


@pytest.fixture(scope="session")
def stage(home: Path) -> Stage:
    return stage_runtime(home)


@pytest.fixture(scope="session")
def sandboxes(home: Path, stage: Stage) -> BubblewrapSandboxes:
    return BubblewrapSandboxes(home / "runs", stage, lease_seconds=600)


@pytest_asyncio.fixture(scope="session")
async def gateway(home: Path) -> AsyncIterator[EnvoyGateway]:
    with name_server({}) as resolver:
        key = home / "key"
        key.write_text(Bench.KEY)
        gateway = EnvoyGateway(home / "eg", resolvers=[resolver], credentials={"vendor": KeySource(file=key)})
        yield gateway
        await gateway.stop()


@pytest_asyncio.fixture
async def bench(
    sandboxes: BubblewrapSandboxes,
    home: Path,
    gateway: EnvoyGateway,
    toolchain_state: Path,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Bench]:
    cell = Cell(sandboxes, home / "runs", request.function.__name__.removeprefix("test_"))
    yield Bench(cell, gateway, toolchain_state)
    await cell.close()
