"""A stand-in for each test, whose answers are held against GitHub's own description when the test ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.github.description import disagreements
from tests.support.github.server import github_server
from tests.support.github.stand_in import GitHub, InstalledApp


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    """With one repository, acme/shop."""
    with github_server(tmp_path / "github") as server:
        server.repository("acme/shop")
        yield server
    assert disagreements(server.exchanges) == []


@pytest.fixture
def installed(github: GitHub) -> InstalledApp:
    """An app that has the repository."""
    return github.install("journeyman", "acme/shop")
