"""A real sandbox, real repositories, and patches made the way the export makes them."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from tests.activities.evaluation.court import Court


@pytest.fixture(scope="session")
def state() -> Iterator[Path]:
    # Not under pytest's own directory: that one is closed to the uids of sandboxes.
    state = Path(tempfile.mkdtemp(prefix="ev-"))
    state.chmod(0o711)
    yield state
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def sandboxes(state: Path) -> BubblewrapSandboxes:
    return BubblewrapSandboxes(state / "runs", stage_runtime(state))


@pytest.fixture
async def court(state: Path, sandboxes: BubblewrapSandboxes) -> AsyncIterator[Court]:
    court = Court(Path(tempfile.mkdtemp(prefix="court-", dir=state)), sandboxes)
    yield court
    await court.close()
