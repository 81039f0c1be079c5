"""The conversation about a task: people see where they talk how it stands, whatever is down meanwhile."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowHandle

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import Desk, Script, a_task, sha
from tests.workflows.test_merge_watch import RED
from workflows import queues
from workflows.conversation import Conversation
from workflows.merge_watch import MergeWatch
from workflows.models.conversation import ConversationOrder, Shown, conversation_workflow_id
from workflows.models.decision import Action, Decision
from workflows.models.intent import revert_workflow_id, watch_workflow_id
from workflows.models.person import Person
from workflows.models.status import RevertRequest, Stage
from workflows.models.watch import BaseState, WatchOrder
from workflows.revert_merge import RevertMerge
from workflows.review_desk import ReviewDesk

BOB = Person(id="bob", account="os:bob", name="Bob")


def _looks(script: Script, task_id: str) -> int:
    return sum(name == "show_conversation" and order.task_id == task_id for name, order in script.calls)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.05)


async def _talk(client: Client, task_id: str) -> WorkflowHandle[Conversation, Shown]:
    return await client.start_workflow(
        Conversation.run,
        ConversationOrder(task_id=task_id),
        id=conversation_workflow_id(task_id),
        task_queue=queues.ORCHESTRATE,
    )


async def test_a_task_is_shown_at_once_and_at_every_change_until_its_end(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.shown = lambda order: Shown(notes={"slack:T:C:1": {"message": "7"}}, is_over=False)
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    talk = await _talk(temporal, desk.task.id)
    await _until(lambda: _looks(script, desk.task.id) >= 1)

    await desk.decide(Action.APPROVE)
    await _until(lambda: _looks(script, desk.task.id) >= 2)
    assert script.last("show_conversation").notes == {"slack:T:C:1": {"message": "7"}}

    script.shown = lambda order: Shown(notes=order.notes, is_over=True)
    await desk.decide(Action.MERGE)
    await desk.result()
    async with asyncio.timeout(30):
        assert (await talk.result()).is_over


async def test_a_task_that_nobody_talks_about_tells_nobody(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.REJECT)
    await desk.result()
    events = [event async for event in desk.handle.fetch_history_events()]
    assert not [
        event for event in events if event.HasField("signal_external_workflow_execution_initiated_event_attributes")
    ]


async def test_a_reminder_comes_when_it_is_due_although_nothing_changes(temporal: Client, script: Script) -> None:
    task_id = "remindedaa"

    def shown(order: ConversationOrder) -> Shown:
        first = not order.notes
        return Shown(
            notes={"slack:T:C:1": {"seen": "once"}},
            look_at=datetime.now(UTC) + timedelta(seconds=1) if first else None,
            is_over=not first,
        )

    script.shown = shown
    talk = await _talk(temporal, task_id)
    async with asyncio.timeout(30):
        await talk.result()
    assert _looks(script, task_id) == 2


async def test_a_task_that_ends_while_its_conversation_is_over_ends_all_the_same(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.handle.signal(ReviewDesk.follow)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).merge_commit


async def test_a_revert_is_shown_where_the_task_was_talked_about(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    task, now = a_task(), datetime.now(UTC)
    script.shown = lambda order: Shown(is_over=_looks(script, task.id) > 1)
    talk = await _talk(temporal, task.id)
    await _until(lambda: _looks(script, task.id) == 1)
    decision = Decision(
        action=Action.REVERT, person=BOB, task_id=task.id, decided_at=now, expires_at=now + timedelta(hours=1)
    )
    request = RevertRequest(task=task, merge_commit=sha("merge"), signed=signer.sign(decision))
    await temporal.execute_workflow(
        RevertMerge.run, request, id=revert_workflow_id(task.id), task_queue=queues.ORCHESTRATE
    )
    async with asyncio.timeout(30):
        await talk.result()
    assert _looks(script, task.id) == 2


async def test_base_that_turns_red_after_a_merge_is_shown_where_the_task_was_talked_about(
    temporal: Client, script: Script
) -> None:
    task = a_task()
    script.shown = lambda order: Shown(is_over=_looks(script, task.id) > 1)
    script.base = lambda order: BaseState(red=RED)
    talk = await _talk(temporal, task.id)
    await _until(lambda: _looks(script, task.id) == 1)
    order = WatchOrder(task=task, merge_commit=sha("merge"), seconds=600, by_policy=False)
    await temporal.execute_workflow(MergeWatch.run, order, id=watch_workflow_id(task.id), task_queue=queues.ORCHESTRATE)
    async with asyncio.timeout(30):
        await talk.result()
    assert _looks(script, task.id) == 2
