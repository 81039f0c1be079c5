"""Listening to Linear, where `[linear]` says so: by webhook, or by asking."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from activities.policy.linear_table import LinearTable
from activities.policy.owners import OwnersFiles
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.issues import LinearIssues
from activities.tracker.linear.people import LinearPeople
from activities.tracker.linear.sessions import LinearSessions
from activities.webhooks.signature import WebhookSecrets
from workers.gateway.commanding import Commanding
from workers.gateway.conversations import Presenter
from workers.gateway.linear_carrier import LinearCarrier, terms_of
from workers.gateway.linear_commands import LinearCommands
from workers.gateway.linear_greeting import Greeting
from workers.gateway.linear_places import LinearPlaces
from workers.gateway.linear_polling import LinearPolling
from workers.gateway.linear_presenter import LinearPresenter
from workers.gateway.linear_senders import LinearSenders
from workers.gateway.linear_session_presenter import LinearSessionPresenter
from workers.gateway.linear_sessions import SessionWords
from workers.gateway.linear_webhooks import PATH, linear_app
from workers.gateway.listening import Inbox, Listener
from workers.repeating import repeat

SOURCE = "linear"


def listen(inbox: Inbox) -> Listener | None:
    """None where there is no `[linear]`."""
    owners = inbox.parts.owners
    table = _table(owners)
    if table is None:
        return None
    access = LinearAccess(lambda: _table(owners))
    actor = LinearActor(access)
    issues, sessions = LinearIssues(access, actor), LinearSessions(access, actor)
    secrets = WebhookSecrets(lambda: _secret_files(owners))
    carrier = _carrier(inbox, secrets, access, actor, issues, sessions)
    places = LinearPlaces(owners, inbox.parts.admissions, issues)
    presenters: dict[str, Presenter] = {
        "linear": LinearPresenter(issues, actor),
        "linear-session": LinearSessionPresenter(sessions, actor),
    }
    if table.address is not None:
        greeting = Greeting(sessions)
        app = linear_app(
            secrets, inbox.deliveries, lambda: terms_of(_table(owners) or table), inbox.taken, greeting.heard
        )
        return Listener(SOURCE, carrier, table.address, PATH, app, presenters, places.of, greeting.running)
    polling = LinearPolling(
        lambda: _table(owners),
        access,
        actor,
        issues,
        inbox.deliveries,
        inbox.parts.objects,
        inbox.gateway.key,
        inbox.taken,
    )

    @contextlib.asynccontextmanager
    async def asking() -> AsyncIterator[None]:
        task = asyncio.create_task(repeat("ask Linear what happened", polling.look, table.poll_seconds))
        try:
            yield
        finally:
            task.cancel()

    return Listener(SOURCE, carrier, presenters=presenters, elsewhere=places.of, running=asking)


def _carrier(
    inbox: Inbox,
    secrets: WebhookSecrets,
    access: LinearAccess,
    actor: LinearActor,
    issues: LinearIssues,
    sessions: LinearSessions,
) -> LinearCarrier:
    parts, gateway, conversations = inbox.parts, inbox.gateway, inbox.conversations
    senders = LinearSenders(parts.owners, LinearPeople(access), actor)
    commands = LinearCommands(
        parts.owners,
        gateway.admission,
        parts.intents,
        inbox.tasks,
        conversations,
        Commanding(gateway.deciding, parts.chains),
        senders,
        issues,
        actor,
    )
    words = SessionWords(commands, conversations, senders, sessions, actor)
    return LinearCarrier(secrets, parts.gateways, parts.owners, inbox.deliveries, commands, words, issues, actor)


def _table(owners: OwnersFiles) -> LinearTable | None:
    return owners.platform().linear


def _secret_files(owners: OwnersFiles) -> Sequence[Path]:
    table = _table(owners)
    return table.secrets if table is not None else ()
