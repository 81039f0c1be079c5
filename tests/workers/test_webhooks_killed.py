"""What GitHub was told is taken is carried out, also by the next gateway."""

from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.webhook_flood import Gateway

pytestmark = pytest.mark.xdist_group("webhooks-killed")


async def test_no_delivery_that_was_acknowledged_is_lost_with_the_gateway(temporal: Client, state: Path) -> None:
    gateway = Gateway(state, temporal.service_client.config.target_host, temporal.namespace)
    async with gateway.serving():
        flood = await gateway.flood(120, 2, kill_after=1)
        assert len(set(flood.acknowledged)) == 120
        assert await flood.lost(state / "archive", 90) == 0
