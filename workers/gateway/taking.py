"""Listening to the systems that the platform's file names, and having carried out what they tell."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.forge.github.deliveries import AppDeliveries
from activities.webhooks.stored import Deliveries
from workers.beating import Beating
from workers.gateway.assembly import Gateway
from workers.gateway.beginning import Beginning
from workers.gateway.conversations import ConversationActivities, Conversations
from workers.gateway.delivered import TasksThere
from workers.gateway.deliveries import DeliveryActivities
from workers.gateway.listening import Inbox, Listener
from workers.gateway.ports import by_path
from workers.gateway.server import serving_on_port
from workers.parts.shared import SharedParts
from workers.repeating import repeat
from workers.schedules import schedule_delivery_sweep
from workflows import queues

_AT_ONCE = 4
"""Deliveries that one gateway carries out at the same time: fewer than the threads in which it waits for others, so
that people's commands go on while those are slow."""
_LOOK_SECONDS = 10.0
"""Between looks for deliveries on record that no workflow carries out: one that was killed in between left them."""
_GRACE = timedelta(seconds=5)


@contextlib.asynccontextmanager
async def taking_webhooks(client: Client, parts: SharedParts, gateway: Gateway) -> AsyncIterator[None]:
    """Listen until the block ends, to whoever journeyman.toml names. Raises GatewayTaken."""
    github = parts.owners.platform().github
    table = github.webhooks if github is not None else None
    await schedule_delivery_sweep(client, table.sweep_minutes if table and github and github.app_id else None)
    deliveries = Deliveries(parts.objects)
    beginning = Beginning(client, deliveries)
    conversations = Conversations(client, parts.chains, parts.gateways, gateway.key)
    tasks = TasksThere(gateway.reading, parts.admissions)
    inbox = Inbox(client, parts, gateway, deliveries, beginning.soon, tasks, conversations)
    listeners = _listeners(inbox)
    if not listeners:
        yield
        return
    steps = DeliveryActivities(deliveries, {one.source: one.carrier for one in listeners}, AppDeliveries(parts.github))
    presenters = {system: shows for one in listeners for system, shows in one.presenters.items()}
    elsewhere = [one.elsewhere for one in listeners if one.elsewhere is not None]
    shown = ConversationActivities(conversations, gateway.reading, presenters, elsewhere)
    worker = Worker(
        client,
        task_queue=queues.GATEWAY,
        activities=[steps.take_delivery, steps.ask_for_deliveries, shown.show_conversation],
        max_concurrent_activities=_AT_ONCE,
        graceful_shutdown_timeout=_GRACE,
        interceptors=[Beating()],
    )
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(worker)
        for chore in (repeat("begin what was told", beginning.all, _LOOK_SECONDS), beginning.named()):
            stack.callback(asyncio.create_task(chore).cancel)
        await _open(listeners, stack)
        yield


def _listeners(inbox: Inbox) -> list[Listener]:
    """Of what is configured. Loading a vendor's client takes up to a second: who does not have it does not wait."""
    platform, listen = inbox.parts.owners.platform(), list[Callable[[Inbox], Listener | None]]()
    if platform.github is not None:
        from workers.gateway import github_listening  # noqa: PLC0415

        listen.append(github_listening.listen)
    if platform.slack is not None:
        from workers.gateway import slack_listening  # noqa: PLC0415

        listen.append(slack_listening.listen)
    if platform.linear is not None:
        from workers.gateway import linear_listening  # noqa: PLC0415

        listen.append(linear_listening.listen)
    return [found for one in listen if (found := one(inbox)) is not None]


async def _open(listeners: Sequence[Listener], stack: contextlib.AsyncExitStack) -> None:
    """Several may share an address."""
    by_address: dict[str, list[Listener]] = defaultdict(list)
    for one in listeners:
        if one.address:
            by_address[one.address].append(one)
    for address, sharing in by_address.items():
        host, _, port = address.rpartition(":")
        app = by_path({one.path: one.app for one in sharing if one.app is not None})
        await stack.enter_async_context(serving_on_port(app, int(port), host.strip("[]")))
    for one in listeners:
        await stack.enter_async_context(one.running())
