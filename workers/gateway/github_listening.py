"""Listening to GitHub, where `[github.webhooks]` says so."""

from collections.abc import Sequence
from pathlib import Path

from activities.forge.github.confirming import Confirming
from activities.forge.github.discussion import GitHubDiscussion
from activities.forge.github.people import GitHubPeople
from activities.policy.owners import OwnersFiles
from activities.policy.webhook_table import WebhookTable
from activities.webhooks.meaning import Terms
from activities.webhooks.signature import WebhookSecrets
from workers.gateway.commanding import Commanding
from workers.gateway.github_carrier import GitHubCarrier, terms_of
from workers.gateway.github_ci import GitHubCi
from workers.gateway.github_commands import GitHubCommands
from workers.gateway.github_feedback import GitHubFeedback
from workers.gateway.github_presenter import GitHubPresenter
from workers.gateway.listening import Inbox, Listener
from workers.gateway.senders import Senders
from workers.gateway.webhooks import webhook_app

SOURCE = "github"


def listen(inbox: Inbox) -> Listener | None:
    """None where no address is configured."""
    owners = inbox.parts.owners
    table = _table(owners)
    if table is None:
        return None
    secrets = WebhookSecrets(lambda: _secret_files(owners))
    app = webhook_app(secrets, inbox.deliveries, lambda: _terms(owners), inbox.taken)
    presenters = {"github": GitHubPresenter(owners, GitHubDiscussion(inbox.parts.github))}
    return Listener(SOURCE, _carrier(inbox, secrets), table.address, "/webhooks/github", app, presenters)


def _carrier(inbox: Inbox, secrets: WebhookSecrets) -> GitHubCarrier:
    parts, gateway, tasks = inbox.parts, inbox.gateway, inbox.tasks
    discussion, confirming = GitHubDiscussion(parts.github), Confirming(parts.github)
    senders = Senders(parts.owners, GitHubPeople(parts.github))
    commanding = Commanding(gateway.deciding, parts.chains)
    feedback = GitHubFeedback(inbox.client, gateway.deciding, tasks, commanding, senders, discussion, inbox.deliveries)
    commands = GitHubCommands(
        parts.owners,
        gateway.admission,
        parts.intents,
        tasks,
        senders,
        discussion,
        confirming,
        inbox.deliveries,
        feedback,
        inbox.conversations,
    )
    ci = GitHubCi(
        inbox.client,
        gateway.admission,
        gateway.deciding,
        gateway.observing,
        parts.observations,
        parts.intents,
        tasks,
        parts.git,
        parts.mirrors,
        confirming,
    )
    return GitHubCarrier(secrets, parts.owners, commands, feedback, ci, discussion)


def _table(owners: OwnersFiles) -> WebhookTable | None:
    github = owners.platform().github
    return github.webhooks if github is not None else None


def _secret_files(owners: OwnersFiles) -> Sequence[Path]:
    table = _table(owners)
    return table.secrets if table is not None else ()


def _terms(owners: OwnersFiles) -> Terms:
    table = _table(owners)
    return terms_of(table) if table is not None else Terms()
