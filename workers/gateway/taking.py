"""Taking in GitHub's webhooks and having them carried out, where the platform's file says so."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.worker import Worker

from activities.forge.github.deliveries import AppDeliveries
from activities.forge.github.discussion import GitHubDiscussion
from activities.forge.github.people import GitHubPeople
from activities.webhooks.meaning import Terms
from activities.webhooks.signature import WebhookSecrets
from activities.webhooks.stored import Deliveries
from workers.beating import Beating
from workers.gateway.assembly import Gateway
from workers.gateway.delivered import TasksThere
from workers.gateway.deliveries import DeliveryActivities
from workers.gateway.github_ci import GitHubCi
from workers.gateway.github_commands import GitHubCommands
from workers.gateway.github_feedback import GitHubFeedback
from workers.gateway.senders import Senders
from workers.gateway.server import serving_on_port
from workers.gateway.webhooks import webhook_app
from workers.parts.shared import SharedParts
from workers.repeating import repeat
from workers.schedules import schedule_delivery_sweep
from workflows import queues
from workflows.models.delivery import DeliveryOrder, delivery_workflow_id

_AT_ONCE = 4
"""Deliveries that one gateway carries out at the same time: fewer than the threads in which it waits for GitHub, so
that people's commands go on while GitHub is slow."""
_LOOK_SECONDS = 10.0
"""Between looks for deliveries on record that no workflow carries out: one that was killed in between left them."""
_GRACE = timedelta(seconds=5)
_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def taking_webhooks(client: Client, parts: SharedParts, gateway: Gateway) -> AsyncIterator[None]:
    """Listen for GitHub until the block ends, if journeyman.toml says where. Raises GatewayTaken."""
    github = parts.owners.platform().github
    table = github.webhooks if github is not None else None
    await schedule_delivery_sweep(client, table.sweep_minutes if table and github and github.app_id else None)
    if table is None:
        yield
        return
    deliveries = Deliveries(parts.objects)
    begin = _Begin(client, deliveries)
    secrets = WebhookSecrets(lambda: _secret_files(parts))
    app = webhook_app(secrets, deliveries, lambda: _terms(parts), begin.soon)
    worker = Worker(
        client,
        task_queue=queues.GATEWAY,
        activities=_steps(client, parts, gateway, deliveries, secrets),
        max_concurrent_activities=_AT_ONCE,
        graceful_shutdown_timeout=_GRACE,
        interceptors=[Beating()],
    )
    host, _, port = table.address.rpartition(":")
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(worker)
        for chore in (repeat("begin what GitHub told", begin.all, _LOOK_SECONDS), begin.named()):
            stack.callback(asyncio.create_task(chore).cancel)
        await stack.enter_async_context(serving_on_port(app, int(port), host.strip("[]")))
        yield


class _Begin:
    """Starts the workflow of each delivery on record, once."""

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
                await self._begin(digest)
            except Exception as error:
                _log.info("delivery %s begins later: %s", digest, error)

    async def all(self) -> None:
        """Begin whatever is on record, and was not begun or came to nothing. Raises RPCError where Temporal is away."""
        for digest in await self._deliveries.pending():
            await self._begin(digest)

    async def _begin(self, digest: str) -> None:
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                "GitHubDelivery",
                DeliveryOrder(digest=digest),
                id=delivery_workflow_id(digest),
                task_queue=queues.ORCHESTRATE,
                # One that was carried out is on record as that; one that somebody terminated is tried again.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                static_summary="what GitHub told",
            )


def _steps(
    client: Client, parts: SharedParts, gateway: Gateway, deliveries: Deliveries, secrets: WebhookSecrets
) -> Sequence[Callable[..., Any]]:
    discussion = GitHubDiscussion(parts.github)
    senders = Senders(parts.owners, GitHubPeople(parts.github))
    tasks = TasksThere(gateway.reading, parts.admissions)
    feedback = GitHubFeedback(client, gateway.deciding, tasks, parts.chains, senders, discussion)
    commands = GitHubCommands(gateway.admission, parts.intents, tasks, senders, discussion, feedback)
    ci = GitHubCi(
        client,
        gateway.admission,
        gateway.deciding,
        gateway.observing,
        parts.observations,
        parts.intents,
        tasks,
        parts.git,
        parts.mirrors,
    )
    steps = DeliveryActivities(
        deliveries, secrets, parts.owners, commands, feedback, ci, discussion, AppDeliveries(parts.github)
    )
    return [steps.take_delivery, steps.ask_for_deliveries]


def _secret_files(parts: SharedParts) -> Sequence[Path]:
    github = parts.owners.platform().github
    return github.webhooks.secrets if github is not None and github.webhooks is not None else ()


def _terms(parts: SharedParts) -> Terms:
    github = parts.owners.platform().github
    table = github.webhooks if github is not None else None
    return Terms(table.label, table.assignee) if table is not None else Terms()
