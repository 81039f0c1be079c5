"""A stand-in for each test, whose answers are held against GitHub's own description when the test ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.github.conforming import conforming_github
from tests.support.github.stand_in import GitHub, InstalledApp


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    """With one repository, acme/shop."""
    with conforming_github(tmp_path / "github") as server:
        server.repository("acme/shop")
        yield server


@pytest.fixture
def installed(github: GitHub) -> InstalledApp:
    """An app that has the repository."""
    return github.install("journeyman", "acme/shop")
