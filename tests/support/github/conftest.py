"""A stand-in for each test, whose answers are held against GitHub's own description when the test ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.github.description import disagreements, event_disagreements
from tests.support.github.published import need_descriptions
from tests.support.github.server import github_server
from tests.support.github.stand_in import GitHub, InstalledApp


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    """With one repository, acme/shop."""
    need_descriptions()
    with github_server(tmp_path / "github") as server:
        server.repository("acme/shop")
        yield server
    assert disagreements(server.exchanges) == []
    assert [event_disagreements(one.event, one.payload) for one in server.deliveries] == [[]] * len(server.deliveries)


@pytest.fixture
def installed(github: GitHub) -> InstalledApp:
    """An app that has the repository."""
    return github.install("journeyman", "acme/shop")
