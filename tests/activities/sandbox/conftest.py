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
from tests.support.podman import BASE, Podman, serving, why_not


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


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    if reason := why_not():
        pytest.skip(reason)
    with serving() as podman:
        yield podman


@pytest.fixture(scope="session", params=["bubblewrap", "container"])
def backend(request: pytest.FixtureRequest, stage: Stage) -> Backend:
    """Each backend in turn. A test that is about one of them alone names it by parametrising this one."""
    if request.param == "bubblewrap":
        return BubblewrapBackend(stage)
    podman: Podman = request.getfixturevalue("podman")
    return ContainerBackend(stage, socket=str(podman.socket), image=BASE)


@pytest.fixture(scope="session")
def sandboxes(home: Path, backend: Backend) -> HostSandboxes:
    """One for all tests that need no lease terms of their own: it finds out once what this host enforces."""
    return HostSandboxes(home / backend.name, backend)


@pytest_asyncio.fixture
async def cell(
    sandboxes: HostSandboxes, backend: Backend, home: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Cell]:
    engine: Podman | None = request.getfixturevalue("podman") if backend.name == "container" else None
    cell = Cell(sandboxes, home / backend.name, request.function.__name__.removeprefix("test_"), engine)
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
