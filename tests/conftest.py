"""What all tests share: one real Temporal server a test process, and short directories that dropped uids can pass."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.removal import remove
from workers.embedded.programs import program
from workers.temporal import DATA_CONVERTER
from workflows import search_attributes

# Started in the background by a shell, this process ignores SIGINT, and so would every command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest_asyncio.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    """A client of a real Temporal dev server."""
    async with await WorkflowEnvironment.start_local(
        data_converter=DATA_CONVERTER,
        dev_server_existing_path=str(program("temporal")),
        search_attributes=search_attributes.ALL,
        dev_server_log_level="error",
    ) as environment:
        yield environment.client


@pytest.fixture(scope="session")
def staged() -> Iterator[Path]:
    """What sandboxes execute, staged once for all installations of a test process: it is named by its content."""
    yield from _short("jm-stage-", 0o755)


@pytest.fixture(scope="module")
def place(staged: Path) -> Iterator[Path]:
    """As `state`, for an installation that the tests of a module share."""
    yield from _state(staged)


@pytest.fixture
def state(staged: Path) -> Iterator[Path]:
    """A short state directory: unix sockets take 107 bytes, and uids of sandboxes must be able to pass through."""
    yield from _state(staged)


def _state(staged: Path) -> Iterator[Path]:
    for path in _short("jm-", 0o711 if os.geteuid() == 0 else 0o700):
        (path / "stage").symlink_to(staged)
        yield path


def _short(prefix: str, mode: int) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    path.chmod(mode)
    yield path
    remove(path)
