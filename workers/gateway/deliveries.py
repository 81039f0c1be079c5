"""Carrying out what was taken in: steps of Temporal's that the gateway does, since they sign for persons.

The order names a delivery and no more; what is done is what the stored body says, whose signature is looked at again.
Whoever reaches Temporal's port, or writes to the archive, can have nothing done that nobody told.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from temporalio import activity

from activities.failures import step
from activities.forge.github.deliveries import AppDeliveries, to_ask_for
from activities.forge.github.failed import GitHubRefused
from activities.webhooks.stored import Deliveries, DeliveryDamaged
from workers.gateway.carrying import Carrier
from workers.gateway.delivered import NotYet, refused
from workflows.models.delivery import DeliveryOrder, DeliveryResult, SweptDeliveries, Taken
from workflows.models.steps import Nothing

_log = logging.getLogger(__name__)


class DeliveryActivities:
    """Implements steps.DeliverySteps."""

    def __init__(self, deliveries: Deliveries, carriers: Mapping[str, Carrier], app_deliveries: AppDeliveries) -> None:
        """`carriers`: by the name of the system."""
        self._deliveries = deliveries
        self._carriers = carriers
        self._app_deliveries = app_deliveries

    @activity.defn(name="take_delivery")
    @step
    async def take_delivery(self, order: DeliveryOrder) -> DeliveryResult:
        """Carry out one, and answer where it was said; once something came of it, its words are kept no longer."""
        try:
            stored = await self._deliveries.read(order.digest)
        except DeliveryDamaged as damaged:
            await self._deliveries.discard(order.digest)
            _log.error("%s", damaged)
            return refused(str(damaged))
        if stored is None:
            known = await self._deliveries.done(order.digest)
            return known.result if known is not None else refused("there is no such delivery on record")
        carrier = self._carriers.get(stored.source)
        if carrier is None:
            raise NotYet(f"this gateway does not listen to {stored.source[:40]}: configure it, or end this workflow")
        result = await carrier.carry_out(stored, order)
        if result.outcome is not Taken.WAITS:
            await self._deliveries.finish(order.digest, stored, result)
        _log.info("%s %s %s: %s: %s", stored.source, stored.event, stored.guid, result.outcome, result.detail)
        return result

    @activity.defn(name="ask_for_deliveries")
    @step
    async def ask_for_deliveries(self, order: Nothing) -> SweptDeliveries:
        """Ask GitHub to send again what failed and was not made up for."""
        now = datetime.now(UTC)
        due, failed = to_ask_for(await self._app_deliveries.attempts(now), now)
        asked = 0
        for attempt in due:
            try:
                await self._app_deliveries.ask_again(attempt)
                asked += 1
            except GitHubRefused as gone:
                # Such as one that GitHub keeps no longer.
                _log.warning("%s", gone)
        return SweptDeliveries(failed=failed, asked_again=asked)
