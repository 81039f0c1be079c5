"""Listening to Slack, where `[slack]` says so: at an address, or by a connection of our own."""

import functools
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from activities.chat.slack.access import SlackAccess
from activities.chat.slack.identity import SlackIdentity
from activities.chat.slack.signature import SlackSecrets
from activities.chat.slack.whispering import Whispering
from activities.policy.owners import OwnersFiles
from activities.policy.slack_table import SlackTable
from workers.gateway.commanding import Commanding
from workers.gateway.listening import Inbox, Listener
from workers.gateway.senders import NotAllowed
from workers.gateway.slack_answers import SlackAnswers
from workers.gateway.slack_app import PATH, slack_app
from workers.gateway.slack_asking import SlackAsking
from workers.gateway.slack_calls import SlackCalls
from workers.gateway.slack_carrier import SlackCarrier
from workers.gateway.slack_commands import SlackCommands
from workers.gateway.slack_decisions import IN_ITS_THREAD, SlackDecisions
from workers.gateway.slack_forms import SlackForms
from workers.gateway.slack_halting import SlackHaltsAtOnce
from workers.gateway.slack_hearing import SlackHearing
from workers.gateway.slack_home import SlackHome
from workers.gateway.slack_presenter import SYSTEM, SlackPresenter
from workers.gateway.slack_record import SOURCE, SlackRecord
from workers.gateway.slack_reminders import Awaited, SlackReminders
from workers.gateway.slack_senders import SlackSenders
from workers.gateway.slack_sight import SlackSight
from workers.gateway.slack_socket import connected


def listen(inbox: Inbox) -> Listener | None:
    """None where no Slack is configured."""
    owners, parts, gateway = inbox.parts.owners, inbox.parts, inbox.gateway
    table = owners.platform().slack
    if table is None:
        return None
    access = SlackAccess(lambda: owners.platform().slack)
    identity = SlackIdentity(access)
    senders = SlackSenders(owners, access, identity)
    whispering = Whispering(access, table.api)
    record = SlackRecord(inbox.deliveries, gateway.key, parts.gateways, inbox.taken)
    commanding = Commanding(gateway.deciding, inbox.parts.chains, again=IN_ITS_THREAD)
    decisions = SlackDecisions(gateway.deciding, commanding, gateway.reading, inbox.conversations)
    asking = SlackAsking(gateway.admission, parts.intents, inbox.conversations, owners, access, identity)
    sight = SlackSight(owners)
    answers = SlackAnswers(gateway.reading, gateway.halting, sight)
    commands = SlackCommands(asking, decisions, answers, parts.intents)
    carrier = SlackCarrier(record, owners, identity, senders, commands, decisions, whispering)
    forms = SlackForms(owners, access, senders, gateway.trusting, whispering)
    home = SlackHome(access, owners, sight, gateway.reading, parts.attested, parts.trust)
    halts = SlackHaltsAtOnce(inbox.deliveries, carrier)
    opened = functools.partial(_open_home, home, senders)
    bolt = SlackHearing(record, parts.intents, forms, opened, halts.carry_out).app()
    awaited = Awaited(owners, parts.attested)
    presenter = SlackPresenter(
        access,
        lambda: owners.platform().slack,
        parts.chains,
        gateway.halting,
        SlackCalls(owners, awaited),
        SlackReminders(access, awaited),
    )
    presenters = {SYSTEM: presenter}
    if table.address is not None:
        app = slack_app(SlackSecrets(lambda: _secret_files(owners)), bolt)
        return Listener(SOURCE, carrier, table.address, PATH, app, presenters)

    def running() -> AbstractAsyncContextManager[object]:
        return connected(bolt, lambda: owners.platform().slack)

    return Listener(SOURCE, carrier, presenters=presenters, running=running)


async def _open_home(home: SlackHome, senders: SlackSenders, user: str) -> None:
    """Of tasks, it tells only those who may command."""
    try:
        person = await senders.commanding(user)
    except NotAllowed:
        person = None
    await home.publish(user, person)


def _secret_files(owners: OwnersFiles) -> Sequence[Path]:
    table: SlackTable | None = owners.platform().slack
    return table.signing_secrets if table is not None else ()
