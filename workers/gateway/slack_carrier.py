"""Carrying out what was heard in Slack, and telling whoever did it what came of it."""

from collections.abc import Awaitable

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.chat.slack.access import SlackAway, SlackRefused
from activities.chat.slack.heard import (
    ChangesFormSent,
    Commanded,
    Heard,
    Mentioned,
    NotUnderstood,
    Pressed,
    Replied,
    TaskFormSent,
)
from activities.chat.slack.identity import SlackIdentity
from activities.chat.slack.whispering import Whispering
from activities.chat.slack.words import shown
from activities.decisions.keys import Untrusted
from activities.policy.owners import OwnersFiles
from activities.webhooks.stored import StoredDelivery
from workers.gateway.delivered import Carrying, NotYet, came_of, refused
from workers.gateway.refusals import Refused
from workers.gateway.senders import NotAllowed
from workers.gateway.slack_commands import SlackCommands
from workers.gateway.slack_decisions import SlackDecisions
from workers.gateway.slack_record import SlackRecord
from workers.gateway.slack_senders import SlackSenders
from workflows.models.delivery import DeliveryOrder, DeliveryResult, Taken
from workflows.models.person import Person

_WAIT_HOURS = 24.0
"""How long words wait for an agent that is at work."""
_FIRST_STEP = "1"
"""Temporal's number of the first time that a delivery is carried out: what waits is told of it then, and no more."""


class SlackCarrier:
    """Implements carrying.Carrier."""

    def __init__(
        self,
        record: SlackRecord,
        owners: OwnersFiles,
        identity: SlackIdentity,
        senders: SlackSenders,
        commands: SlackCommands,
        decisions: SlackDecisions,
        whispering: Whispering,
    ) -> None:
        self._record = record
        self._owners = owners
        self._identity = identity
        self._senders = senders
        self._commands = commands
        self._decisions = decisions
        self._whispering = whispering

    async def carry_out(self, stored: StoredDelivery, order: DeliveryOrder) -> DeliveryResult:
        """See carrying.Carrier."""
        if self._owners.platform().slack is None:
            raise NotYet("[slack] is gone from journeyman.toml: write it again, or terminate this workflow")
        try:
            heard = self._record.heard(stored)
        except Untrusted:
            return refused("no gateway of this installation heard this")
        except NotUnderstood as error:
            return refused(str(error))
        at = Carrying(digest=order.digest, received_at=stored.received_at, is_last=order.last, wait_hours=_WAIT_HOURS)
        try:
            if heard.team != (await self._identity.get()).team:
                return refused("it was said in another workspace")
            return await self._told(heard, at)
        except SlackAway as away:
            raise ApplicationError(str(away), type="SlackAway", next_retry_delay=away.again_in) from away

    async def _told(self, heard: Heard, at: Carrying) -> DeliveryResult:
        is_told = True
        try:
            result = await self._act(heard, await self._senders.commanding(heard.user), at)
        except NotAllowed as not_allowed:
            # Whoever chats in a thread is not told that they may not answer.
            is_told = not_allowed.is_told and not isinstance(heard, Replied)
            result = refused(str(not_allowed))
        except Refused as error:
            result = came_of(error)
        except ValidationError as error:
            first = error.errors()[0]
            result = refused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        except SlackRefused as error:
            result = refused(str(error))
        if not is_told or not _is_worth_telling(heard, result):
            return result
        return await self._whispered(heard, result)

    def _act(self, heard: Heard, person: Person, at: Carrying) -> Awaitable[DeliveryResult]:
        match heard:
            case Commanded():
                return self._commands.commanded(heard, person, at)
            case Mentioned():
                return self._commands.mentioned(heard, person, at)
            case Replied():
                return self._commands.replied(heard, person, at)
            case TaskFormSent():
                return self._commands.form(heard, person, at)
            case Pressed():
                return self._decisions.pressed(heard, person, at)
            case ChangesFormSent():
                return self._decisions.changes(heard, person, at)

    async def _whispered(self, heard: Heard, result: DeliveryResult) -> DeliveryResult:
        thread = getattr(heard, "thread_ts", "")
        try:
            await self._whispering.tell(
                heard.user,
                shown(result.detail),
                channel=heard.channel,
                thread=thread,
                response_url=getattr(heard, "response_url", ""),
            )
        except SlackRefused as unsaid:
            return result.model_copy(update={"detail": f"{result.detail} (this could not be said: {unsaid})"})
        return result


def _is_worth_telling(heard: Heard, result: DeliveryResult) -> bool:
    if isinstance(heard, Replied):
        return result.outcome is Taken.REFUSED
    if result.outcome is Taken.WAITS:
        return activity.info().activity_id == _FIRST_STEP
    return True
