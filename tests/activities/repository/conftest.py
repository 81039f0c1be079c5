"""Real sandboxes and git for export tests; the runtime is staged once for each test process."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.removal import remove
from activities.sandbox.stage import Stage, stage_runtime


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield stage_runtime(path)
    remove(path)
