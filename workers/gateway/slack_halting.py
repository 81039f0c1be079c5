"""A halt that is asked for in Slack: carried out at once, without Temporal, which may be what is wrong."""

import logging

from activities.webhooks.stored import Deliveries
from workers.gateway.carrying import Carrier
from workflows.models.delivery import DeliveryOrder

_log = logging.getLogger(__name__)


class SlackHaltsAtOnce:
    """Of what is on record already: where this fails, it is carried out like anything else, once Temporal is there."""

    def __init__(self, deliveries: Deliveries, carrier: Carrier) -> None:
        self._deliveries = deliveries
        self._carrier = carrier

    async def carry_out(self, digest: str) -> None:
        """Carry out one. Done again by Temporal it stays one halt."""
        stored = await self._deliveries.read(digest)
        if stored is None:
            return
        try:
            result = await self._carrier.carry_out(stored, DeliveryOrder(digest=digest))
        except Exception as error:
            _log.warning("a halt from Slack is carried out later: %s", error)
            return
        await self._deliveries.finish(digest, stored, result)
        _log.info("a halt from Slack: %s: %s", result.outcome, result.detail)
