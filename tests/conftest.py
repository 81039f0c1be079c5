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


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """As `state`, for an installation that the tests of a module share."""
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield path
    remove(path)


@pytest.fixture
def state() -> Iterator[Path]:
    """A short state directory: unix sockets take 107 bytes, and uids of sandboxes must be able to pass through."""
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield path
    remove(path)
