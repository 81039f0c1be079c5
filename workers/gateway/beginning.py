"""Starting the workflow of each delivery on record, once."""

import asyncio
import contextlib
import logging

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.webhooks.stored import Deliveries
from workflows import queues
from workflows.models.delivery import DeliveryOrder, delivery_workflow_id

_log = logging.getLogger(__name__)


class Beginning:
    """At once for what was just taken in; and whatever one that was killed in between has left."""

    def __init__(self, client: Client, deliveries: Deliveries) -> None:
        self._client = client
        self._deliveries = deliveries
        self._named: asyncio.Queue[str] = asyncio.Queue()

    def soon(self, digest: str) -> None:
        """One that was just put on record."""
        self._named.put_nowait(digest)

    async def named(self) -> None:
        """Begin those that are named, for ever; what fails is found by the next look at all."""
        while True:
            digest = await self._named.get()
            try:
                await self.begin(digest)
            except Exception as error:
                _log.info("delivery %s begins later: %s", digest, error)

    async def all(self) -> None:
        """Begin whatever is on record, and was not begun or came to nothing. Raises RPCError where Temporal is away."""
        for digest in await self._deliveries.pending():
            await self.begin(digest)

    async def begin(self, digest: str) -> None:
        """Begin one, if it was not. Raises RPCError."""
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                "Delivery",
                DeliveryOrder(digest=digest),
                id=delivery_workflow_id(digest),
                task_queue=queues.ORCHESTRATE,
                # One that was carried out is on record as that; one that somebody terminated is tried again.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                static_summary="what was told",
            )
