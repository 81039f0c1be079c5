"""What tests of workflows share: somebody who signs, and the scripted world."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import Script, workers


@pytest.fixture
def signer(tmp_path: Path) -> DecisionSigner:
    return DecisionSigner.load_or_create(tmp_path)


@pytest_asyncio.fixture
async def script(temporal: Client) -> AsyncIterator[Script]:
    """Takes every decision for signed; a test about signatures has one of its own."""
    script = Script()
    async with workers(temporal, script):
        yield script
