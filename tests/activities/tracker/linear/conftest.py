"""A stand-in for Linear for each test, and who asks it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.policy.agent_tables import KeySource
from activities.policy.linear_table import LinearTable
from activities.tracker.linear.access import LinearAccess
from tests.support.linear.server import linear_server
from tests.support.linear.stand_in import TOKEN, Linear


@pytest.fixture
def linear() -> Iterator[Linear]:
    with linear_server() as server:
        yield server


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return file


@pytest.fixture
def access(linear: Linear, token: Path) -> LinearAccess:
    table = LinearTable(api=linear.api, token=KeySource(file=token), teams={"ENG": "/srv/git/shop"})
    return LinearAccess(lambda: table)
