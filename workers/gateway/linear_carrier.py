"""Carrying out what Linear told, by webhook or when it was asked."""

import base64
from datetime import datetime, timedelta

from pydantic_core import from_json

from activities.decisions.keys import TrustedKeys, Untrusted
from activities.policy.linear_table import LinearTable
from activities.policy.owners import OwnersFiles
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.failed import LinearAway, LinearRefused
from activities.tracker.linear.issues import LinearIssues
from activities.tracker.linear.meaning import (
    Commented,
    Meaning,
    SessionBegun,
    SessionPrompted,
    TaskWanted,
    Terms,
    meaning,
)
from activities.tracker.linear.payloads import Envelope
from activities.webhooks.meaning import Ignored
from activities.webhooks.signature import WebhookSecrets
from activities.webhooks.stored import Deliveries, StoredDelivery, digest_of
from workers.gateway.delivered import Carrying, NotYet, came_of, ignored, refused
from workers.gateway.linear_commands import LinearCommands
from workers.gateway.linear_sessions import SessionWords
from workers.gateway.refusals import Refused
from workers.gateway.senders import NotAllowed
from workflows.models.delivery import DeliveryOrder, DeliveryResult, Taken

POLLED = "polled"
"""Event of what was asked for: its signature is the gateway's."""
FRESH = timedelta(minutes=1)
"""How old what is told may be when it comes in."""
_WAIT_HOURS = 24.0


def is_fresh(told: Envelope, received_at: datetime) -> bool:
    """Whether it was signed about when it came in, as Linear says it always is."""
    return abs(received_at.timestamp() - told.webhook_timestamp / 1000) <= FRESH.total_seconds()


def terms_of(table: LinearTable) -> Terms:
    """What is looked for in what comes in."""
    return Terms(frozenset(table.teams), table.label)


class LinearCarrier:
    """Implements carrying.Carrier."""

    def __init__(
        self,
        secrets: WebhookSecrets,
        gateways: TrustedKeys,
        owners: OwnersFiles,
        deliveries: Deliveries,
        commands: LinearCommands,
        sessions: SessionWords,
        issues: LinearIssues,
        actor: LinearActor,
    ) -> None:
        self._secrets = secrets
        self._gateways = gateways
        self._owners = owners
        self._deliveries = deliveries
        self._commands = commands
        self._sessions = sessions
        self._issues = issues
        self._actor = actor

    async def carry_out(self, stored: StoredDelivery, order: DeliveryOrder) -> DeliveryResult:
        """See carrying.Carrier."""
        table = self._owners.platform().linear
        if table is None:
            raise NotYet("[linear] is gone from journeyman.toml: write it again, or terminate this workflow")
        if not self._is_genuine(stored):
            return refused("its signature fits none of the secrets that there are now")
        body = from_json(stored.body)
        told = meaning(body, terms_of(table))
        if isinstance(told, Ignored):
            # As it was told to whoever sent it, unless the platform's owner changed something since.
            return ignored(told.reason)
        envelope = Envelope.model_validate(body)
        if stored.event != POLLED and not is_fresh(envelope, stored.received_at):
            return refused("it was signed at another time than it came in: somebody may have sent it anew")
        events = _events(told, order.digest)
        before = await self._deliveries.done(events[0])
        if before is not None:
            return before.result.model_copy(update={"outcome": Taken.IGNORED, "detail": "it was told before"})
        at = Carrying(digest=events[-1], received_at=stored.received_at, is_last=order.last, wait_hours=_WAIT_HOURS)
        try:
            if envelope.organization_id != (await self._actor.me()).organization:
                return refused("it is about another workspace than the token's")
            known = await self._deliveries.done(events[-1])
            if known is not None and isinstance(told, SessionBegun | SessionPrompted):
                result = await self._sessions.heard_before(told, known.result)
            else:
                result = await self._acted(told, at)
        except LinearAway as away:
            raise NotYet(str(away)) from away
        if result.outcome is not Taken.WAITS:
            for event in events:
                if event != order.digest:
                    await self._deliveries.finish(event, stored, result)
        return result

    def _is_genuine(self, stored: StoredDelivery) -> bool:
        if stored.event != POLLED:
            return self._secrets.hold(f"sha256={stored.signature}", stored.body)
        key_id, _, signature = stored.signature.partition(" ")
        try:
            self._gateways.verify(key_id, signature, polled_message(stored.body))
        except Untrusted:
            return False
        return True

    async def _acted(self, told: Meaning, at: Carrying) -> DeliveryResult:
        is_told, mark = True, at.digest[:24]
        try:
            result = await self._act(told, at)
        except NotAllowed as not_allowed:
            result, is_told = refused(str(not_allowed)), not_allowed.is_told
            mark = f"who-{_who(told)}"
        except Refused as error:
            result = came_of(error)
        except LinearRefused as error:
            result = refused(str(error))
        return await self._answered(told, result, mark) if is_told else result

    async def _act(self, told: Meaning, at: Carrying) -> DeliveryResult:
        match told:
            case TaskWanted():
                return await self._commands.wanted(told, at)
            case Commented():
                return await self._commands.commented(told, at)
            case SessionBegun():
                return await self._sessions.begun(told, at)
            case SessionPrompted():
                return await self._sessions.prompted(told, at)
            case Ignored():
                return ignored(told.reason)

    async def _answered(self, told: Meaning, result: DeliveryResult, mark: str) -> DeliveryResult:
        """Say it where a person asked for something, if the task's own comment does not."""
        if result.outcome not in {Taken.REFUSED, Taken.WAITS} or isinstance(told, Ignored):
            return result
        if result.outcome is Taken.WAITS:
            mark = f"{mark}-waits"
        if isinstance(told, SessionBegun | SessionPrompted):
            await self._sessions.answer(told, result, mark)
            return result
        try:
            await self._issues.say(told.issue.id, result.detail, mark)
        except LinearRefused as unsaid:
            return result.model_copy(update={"detail": f"{result.detail} (this could not be said there: {unsaid})"})
        return result


def polled_message(body: bytes) -> bytes:
    """What the gateway signs of what it asked for; nothing else that it signs begins so."""
    return b"journeyman heard from linear\n" + base64.b64encode(body)


def _events(told: Meaning, digest: str) -> tuple[str, ...]:
    """By what the same thing is known however it is told: Linear sends again under another time, and is asked, too.

    The last one is the words themselves: a comment that mentions the App begins a session as well.
    """
    match told:
        case Commented():
            return (digest_of(f"linear comment {told.comment_id}".encode()),)
        case SessionBegun() | SessionPrompted():
            said = told.activity_id if isinstance(told, SessionPrompted) else "begun"
            own = digest_of(f"linear session {told.session_id} {said}".encode())
            of_comment = told.comment_id and not (isinstance(told, SessionPrompted) and told.stop)
            return (own, digest_of(f"linear comment {told.comment_id}".encode())) if of_comment else (own,)
        case _:
            return (digest,)


def _who(told: Meaning) -> str:
    return "" if isinstance(told, Ignored) else told.by
