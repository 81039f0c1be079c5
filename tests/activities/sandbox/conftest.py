"""Real sandboxes of each backend on one staged runtime. After every test, nothing of its runs may be on the host."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.removal import remove
from activities.sandbox.backend import Backend
from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.container.backend import ContainerBackend
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import Stage, stage_runtime
from tests.activities.sandbox.cell import Cell
from tests.support.engines import BASE, HERE, Engine, serving


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """The state directory of all tests here: short, and passable for uids that were dropped to."""
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield path
    remove(path)


@pytest.fixture(scope="session")
def stage(home: Path) -> Stage:
    return stage_runtime(home)


@pytest.fixture(scope="session", params=["bubblewrap", *HERE])
def kind(request: pytest.FixtureRequest) -> str:
    """What makes sandboxes: bubblewrap, or one of the engines that are here."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def engine(kind: str) -> Iterator[Engine | None]:
    """The engine, where sandboxes are containers."""
    if kind == "bubblewrap":
        yield None
        return
    with serving(kind) as engine:
        yield engine


@pytest.fixture(scope="session")
def backend(engine: Engine | None, stage: Stage) -> Backend:
    """Each backend in turn. A test that is about one of them alone says so by parametrising `kind`."""
    if engine is None:
        return BubblewrapBackend(stage)
    return ContainerBackend(stage, socket=str(engine.socket), image=BASE)


@pytest.fixture(scope="session")
def sandboxes(home: Path, kind: str, backend: Backend) -> HostSandboxes:
    """One for all tests that need no lease terms of their own: it finds out once what this host enforces."""
    return HostSandboxes(home / kind, backend)


@pytest_asyncio.fixture
async def cell(
    sandboxes: HostSandboxes, engine: Engine | None, kind: str, home: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Cell]:
    cell = Cell(sandboxes, home / kind, request.function.__name__.removeprefix("test_"), engine)
    yield cell
    await cell.close()


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("this is about root, and the tests run as a normal user")


@pytest.fixture
def as_user() -> None:
    if os.geteuid() == 0:
        pytest.skip("this is about a normal user, and the tests run as root")
