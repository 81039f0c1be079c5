"""What carries out what one system told: each of them has one, which knows its words, its people and its secrets."""

from typing import Protocol

from activities.webhooks.stored import StoredDelivery
from workflows.models.delivery import DeliveryOrder, DeliveryResult


class Carrier(Protocol):
    """Carries out deliveries of one system."""

    async def carry_out(self, stored: StoredDelivery, order: DeliveryOrder) -> DeliveryResult:
        """Do what it says, if it is what that system sent, and answer where it was said.

        Raises NotYet where something does not answer now, or is not configured any more.
        """
        ...
