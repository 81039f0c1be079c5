"""Carrying out what GitHub told, by webhook."""

import logging

from pydantic_core import from_json
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.forge.github.confirming import Unconfirmed
from activities.forge.github.discussion import GitHubDiscussion
from activities.forge.github.failed import GitHubRefused
from activities.policy.github_table import GitHubTable
from activities.policy.owners import OwnersFiles
from activities.policy.webhook_table import WebhookTable
from activities.webhooks.meaning import (
    CiEnded,
    Commanded,
    Ignored,
    Meaning,
    PullChanged,
    Reviewed,
    TaskWanted,
    Terms,
    meaning,
)
from activities.webhooks.signature import WebhookSecrets
from activities.webhooks.stored import StoredDelivery
from workers.gateway.delivered import Delivered, NotYet, came_of, ignored, refused
from workers.gateway.github_ci import GitHubCi
from workers.gateway.github_commands import GitHubCommands
from workers.gateway.github_feedback import GitHubFeedback
from workers.gateway.refusals import Refused
from workers.gateway.senders import NotAllowed
from workflows.models.delivery import DeliveryOrder, DeliveryResult, Taken

_SETTLED = 5
"""Attempts, the last of them a quarter of a minute after the first."""
_log = logging.getLogger(__name__)


def terms_of(table: WebhookTable) -> Terms:
    """What the platform's owner wants to be told."""
    return Terms(table.label, table.assignee, table.accounts)


class GitHubCarrier:
    """Implements carrying.Carrier."""

    def __init__(
        self,
        secrets: WebhookSecrets,
        owners: OwnersFiles,
        commands: GitHubCommands,
        feedback: GitHubFeedback,
        ci: GitHubCi,
        discussion: GitHubDiscussion,
    ) -> None:
        self._secrets = secrets
        self._owners = owners
        self._commands = commands
        self._feedback = feedback
        self._ci = ci
        self._discussion = discussion

    async def carry_out(self, stored: StoredDelivery, order: DeliveryOrder) -> DeliveryResult:
        """See carrying.Carrier."""
        table = self._owners.platform().github
        if table is None or table.webhooks is None:
            raise NotYet("[github.webhooks] is gone from journeyman.toml: write it again, or terminate this workflow")
        if not self._secrets.hold(stored.signature, stored.body):
            return refused("its signature fits none of the secrets that there are now")
        return await self._carried_out(stored, table, order)

    async def _carried_out(self, stored: StoredDelivery, table: GitHubTable, order: DeliveryOrder) -> DeliveryResult:
        assert table.webhooks is not None, "looked at before"
        told = meaning(stored.event, from_json(stored.body), terms_of(table.webhooks))
        if isinstance(told, Ignored):
            # As it was told to whoever sent it, unless the platform's owner changed something since.
            return ignored(told.reason)
        name = told.repository.lower()
        at = Delivered(
            digest=order.digest,
            url=f"{table.web}/{name}",
            name=name,
            received_at=stored.received_at,
            is_last=order.last,
            wait_hours=table.webhooks.wait_hours,
        )
        is_told = True
        try:
            result = await self._act(told, table, at)
        except NotAllowed as not_allowed:
            result, is_told = refused(str(not_allowed)), not_allowed.is_told
        except Unconfirmed as error:
            result, is_told = _unconfirmed(error, stored), error.is_told
        except Refused as error:
            result = came_of(error)
        except GitHubRefused as error:
            result = refused(str(error))
        return await self._answered(told, result, at) if is_told else result

    async def _act(self, told: Meaning, table: GitHubTable, at: Delivered) -> DeliveryResult:
        assert table.webhooks is not None, "looked at before"
        match told:
            case TaskWanted():
                return await self._commands.wanted(told, at)
            case Commanded():
                return await self._commands.commanded(told, at)
            case Reviewed():
                return await self._feedback.reviewed(told, at)
            case PullChanged():
                return await self._feedback.changed(told, at)
            case CiEnded():
                return await self._ci.ended(told, table.webhooks, at)
            case _:
                raise ApplicationError(f"nothing is known of {type(told).__name__}", non_retryable=True)

    async def _answered(self, told: Meaning, result: DeliveryResult, at: Delivered) -> DeliveryResult:
        """Say it where a person asked for something, if it is not plain to see there anyway."""
        number = _where(told)
        if number is None or (isinstance(told, Reviewed) and result.outcome is not Taken.REFUSED):
            return result
        mark = at.digest[:24] if result.outcome is not Taken.WAITS else f"{at.digest[:24]}-waits"
        try:
            await self._discussion.say(at.url, number, result.detail, mark)
        except GitHubRefused as unsaid:
            return result.model_copy(update={"detail": f"{result.detail} (this could not be said there: {unsaid})"})
        return result


def _unconfirmed(error: Unconfirmed, stored: StoredDelivery) -> DeliveryResult:
    """GitHub tells what happened a moment before all of its servers know. Raises NotYet until that is over."""
    if error.may_come and activity.info().attempt < _SETTLED:
        raise NotYet(str(error)) from error
    if not error.is_told:
        _log.warning(
            "nothing is done about a signed %s delivery: %s. If that repeats, somebody else may have the "
            "webhook's secret: replace it",
            stored.event,
            error,
        )
    return refused(str(error))


def _where(told: Meaning) -> int | None:
    """The number of the issue or pull request where a person asked for something; None where nobody did."""
    match told:
        case TaskWanted():
            return told.issue.number
        case Commanded() | Reviewed():
            return told.number
        case _:
            return None
