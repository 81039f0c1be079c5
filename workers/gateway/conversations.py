"""Conversations about tasks: where they take place is on record, and each is shown by whoever knows that system."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from temporalio import activity
from temporalio.client import Client

from activities.archive.contract import TaskChains
from activities.callers import only_called_by
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.signed_record import SignedRecord
from activities.failures import step
from workers.gateway.messages import TaskView
from workers.gateway.reading import Reading
from workers.gateway.refusals import NotFound
from workflows import queues
from workflows.models.conversation import ConversationOrder, Place, Shown, conversation_workflow_id

PLACE = "place"
"""Kind of a place's entry in a task's chain."""
_FIRST_TRY, _LAST_TRY = timedelta(seconds=15), timedelta(minutes=15)
_FIND_SECONDS, _SHOW_SECONDS = 6.0, 20.0
"""Together less than the step may take: one system that hangs holds up no other."""
_TRIES = "tries"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What came of showing a task in one place."""

    notes: dict[str, str] = field(default_factory=dict)
    """What is needed to show it there again."""
    look_at: datetime | None = None
    """When there is something to show although nothing has changed."""
    is_over: bool = True
    """Whether nothing that is shown there can change any more."""
    why_not: str = ""
    """Why nothing is shown there, for good."""


class PlaceAway(Exception):
    """Nothing can be shown there now."""

    def __init__(self, why: str, again_in: timedelta | None = None, notes: Mapping[str, str] | None = None) -> None:
        """`again_in`: as the system itself said. `notes`: what is known by now, if it is more than before."""
        super().__init__(why)
        self.again_in = again_in
        self.notes = notes


class Presenter(Protocol):
    """Shows tasks in places of one system: always all that is known now, and nothing twice."""

    async def show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        """Show how a task stands. `notes`: as this returned them the last time; empty, if that is not known.

        Raises PlaceAway where the system does not answer now.
        """
        ...


Elsewhere = Callable[[str, Sequence[Place]], Awaitable[Place | None]]
"""Finds, by a task's id and its places, where else it is to be shown; raises PlaceAway."""


class Conversations:
    """Begins them, and has them go on."""

    def __init__(self, client: Client, chains: TaskChains, gateways: TrustedKeys, key: SigningKey) -> None:
        self._client = client
        self._record = SignedRecord(chains, gateways, key)

    async def join(self, task_id: str, place: Place) -> None:
        """Show a task in one more place from now on. Raises RPCError where Temporal is away."""
        await self.add(task_id, place)
        await self.changed(task_id)

    async def add(self, task_id: str, place: Place) -> None:
        """Put one more place on record, for whoever is showing the task."""
        digest = hashlib.sha256(place.key.encode()).hexdigest()[:32]
        await self._record.append(task_id, f"{PLACE}-{digest}", PLACE, place)

    async def changed(self, task_id: str) -> None:
        """Have a task shown anew where it is talked about; nowhere, if it is not."""
        if not await self.places(task_id):
            return
        await self._client.start_workflow(
            "Conversation",
            ConversationOrder(task_id=task_id),
            id=conversation_workflow_id(task_id),
            task_queue=queues.ORCHESTRATE,
            start_signal="changed",
            static_summary=f"where people talk about task {task_id}",
        )

    async def places(self, task_id: str) -> tuple[Place, ...]:
        """Where a task is talked about, by the gateways' word."""
        return await self._record.read(task_id, PLACE, Place)


class ConversationActivities:
    """Implements steps.ConversationSteps."""

    def __init__(
        self,
        conversations: Conversations,
        reading: Reading,
        presenters: Mapping[str, Presenter],
        elsewhere: Sequence[Elsewhere] = (),
        *,
        show_seconds: float = _SHOW_SECONDS,
        find_seconds: float = _FIND_SECONDS,
    ) -> None:
        """`presenters`: by the system of the places that they know. `elsewhere`: asked for more places of a task."""
        self._show_seconds = show_seconds
        self._find_seconds = find_seconds
        self._elsewhere = elsewhere
        self._conversations = conversations
        self._reading = reading
        self._presenters = presenters

    @activity.defn(name="show_conversation")
    @step
    async def show_conversation(self, order: ConversationOrder) -> Shown:
        """Show a task wherever it is talked about; one place that does not answer holds up no other."""
        only_called_by(conversation_workflow_id(order.task_id))
        places, again_at = await self._places(order.task_id)
        try:
            view = await self._reading.view(order.task_id)
        except NotFound as gone:
            return Shown(not_shown={place.key: str(gone) for place in places}, is_over=True)
        looks = await asyncio.gather(*(self._show(place, order.notes.get(place.key, {}), view) for place in places))
        by_key = dict(zip((place.key for place in places), looks, strict=True))
        return Shown(
            notes={key: look.notes for key, look in by_key.items()},
            not_shown={key: look.why_not for key, look in by_key.items() if look.why_not},
            look_at=min((at for at in (again_at, *(look.look_at for look in looks)) if at is not None), default=None),
            is_over=again_at is None and all(look.is_over for look in looks),
        )

    async def _places(self, task_id: str) -> tuple[Sequence[Place], datetime | None]:
        """All that there are, and when to look for more of them, where somebody could not be asked."""
        places, again_at = await self._conversations.places(task_id), None
        for finds in self._elsewhere:
            try:
                async with asyncio.timeout(self._find_seconds):
                    more = await finds(task_id, places)
            except (PlaceAway, TimeoutError) as away:
                pause = away.again_in if isinstance(away, PlaceAway) else None
                again_at = datetime.now(UTC) + (pause or _FIRST_TRY)
                continue
            if more is not None:
                await self._conversations.add(task_id, more)
                places = (*places, more)
        return places, again_at

    async def _show(self, place: Place, notes: dict[str, str], view: TaskView) -> Look:
        presenter = self._presenters.get(place.system)
        if presenter is None:
            return Look(notes, why_not=f"this gateway knows no {place.system}: is it gone from journeyman.toml?")
        known = {name: value for name, value in notes.items() if name != _TRIES}
        try:
            async with asyncio.timeout(self._show_seconds):
                return await presenter.show(place, known, view)
        except (PlaceAway, TimeoutError) as error:
            silent = f"{place.system} did not answer within {self._show_seconds:g} s"
            away = error if isinstance(error, PlaceAway) else PlaceAway(silent)
            tries = int(notes.get(_TRIES, "0")) + 1
            pause = away.again_in or min(_FIRST_TRY * 2 ** min(tries - 1, 10), _LAST_TRY)
            _log.warning("task %s can't be shown at %s now: %s", view.status.task.id, place.key, away)
            kept = known if away.notes is None else dict(away.notes)
            return Look({**kept, _TRIES: str(tries)}, datetime.now(UTC) + pause, is_over=False, why_not=str(away))
