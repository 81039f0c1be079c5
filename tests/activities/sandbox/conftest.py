"""Real sandboxes on one staged runtime. After every test, nothing of its runs may be left on the host."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.removal import remove
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import Stage, stage_runtime
from tests.activities.sandbox.cell import Cell


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
def sandboxes(home: Path, stage: Stage) -> BubblewrapSandboxes:
    """One for all tests that need no lease terms of their own: it finds out once what this host enforces."""
    return BubblewrapSandboxes(home / "runs", stage)


@pytest_asyncio.fixture
async def cell(sandboxes: BubblewrapSandboxes, home: Path, request: pytest.FixtureRequest) -> AsyncIterator[Cell]:
    cell = Cell(sandboxes, home, request.function.__name__.removeprefix("test_"))
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
