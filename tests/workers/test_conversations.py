"""A system that hangs keeps nobody elsewhere from seeing how a task stands, and is asked again."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from temporalio.testing import ActivityEnvironment

from tests.workers.test_linear_presenter import TASK, a_view
from workers.gateway.conversations import ConversationActivities, Conversations, Look
from workers.gateway.messages import TaskView
from workers.gateway.reading import Reading
from workflows.models.conversation import ConversationOrder, Place, conversation_workflow_id
from workflows.models.status import Stage


class Kept:
    """Where a task is talked about, as the record has it."""

    def __init__(self, *keys: str) -> None:
        self.all = [Place(key=key) for key in keys]

    async def places(self, task_id: str) -> tuple[Place, ...]:
        return tuple(self.all)

    async def add(self, task_id: str, place: Place) -> None:
        self.all.append(place)


class Hanging:
    async def show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        await asyncio.Event().wait()
        raise AssertionError("it never ends")


class Answering:
    async def show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        return Look({"shown": place.key})


class Known:
    async def view(self, task_id: str) -> TaskView:
        return a_view(Stage.RUN)


async def test_one_that_hangs_is_asked_again_and_the_others_are_shown() -> None:
    kept = Kept("slack:T:C:1", "linear:O:I")

    async def finds(task_id: str, places: Sequence[Place]) -> Place | None:
        return Place(key="linear:O:J") if len(places) < 3 else None

    async def hangs(task_id: str, places: Sequence[Place]) -> Place | None:
        await asyncio.Event().wait()
        return None

    shows = ConversationActivities(
        cast(Conversations, kept),
        cast(Reading, Known()),
        {"slack": Answering(), "linear": Hanging()},
        [finds, hangs],
        show_seconds=0.2,
        find_seconds=0.2,
    )
    environment = ActivityEnvironment()
    environment.info = environment.info.__class__(
        **{**vars(environment.info), "workflow_id": conversation_workflow_id(TASK.id)}
    )
    shown = await environment.run(shows.show_conversation, ConversationOrder(task_id=TASK.id))
    assert shown.notes["slack:T:C:1"] == {"shown": "slack:T:C:1"}
    assert set(shown.not_shown) == {"linear:O:I", "linear:O:J"}
    assert "did not answer" in shown.not_shown["linear:O:I"]
    assert shown.look_at is not None and not shown.is_over
