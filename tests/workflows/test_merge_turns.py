"""Where base moves faster than patches can be evaluated, merges are taken one at a time and none is starved."""

import asyncio
import uuid

import pytest
from temporalio.client import Client, WorkflowHandle

from activities.decisions.signing import DecisionSigner
from activities.forge.turns import MergeTurnActivities
from tests.workflows.scripted import BOB, Desk, Script, a_patch, a_task, sha, workers
from workflows.models.decision import Action
from workflows.models.pull_request import MergeOutcome, MergeResult
from workflows.models.status import Outcome, Stage, TaskStatus
from workflows.models.steps import MergeOrder, RebaseResult
from workflows.models.task import Repository
from workflows.models.turn import TurnOrder, turns_workflow_id

pytestmark = pytest.mark.xdist_group("temporal")


def a_busy_repository() -> Repository:
    return Repository(url=f"/{uuid.uuid4().hex}", name="r")


async def merging(desk: Desk) -> None:
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE, BOB)
    await desk.decide(Action.MERGE, BOB)


async def closed(handle: WorkflowHandle[object, object]) -> None:
    async with asyncio.timeout(20):
        await handle.result()


async def test_a_task_that_base_overtakes_again_and_again_merges_when_its_turn_comes(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = Script()
    task = a_task(repository=a_busy_repository())
    moves = iter([MergeOutcome.BASE_MOVED] * 3)
    script.merged = lambda order: MergeResult(
        outcome=next(moves, MergeOutcome.MERGED), commit=sha("merge"), base_commit=sha("b")
    )
    script.rebased = lambda order: RebaseResult(patch=a_patch(f"head-{script.count('rebase')}", "base-2"))
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer, task)
        await merging(desk)
        assert (await desk.result()).outcome is Outcome.MERGED
        assert (script.count("take_turn"), script.count("merge"), script.count("give_turn_back")) == (1, 4, 1)
        await closed(temporal.get_workflow_handle(turns_workflow_id(task.repository, task.base)))


async def test_tasks_that_compete_for_a_busy_base_are_served_one_after_the_other(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = Script()
    repository = a_busy_repository()
    inside: list[str] = []
    most_inside = 0
    tried: dict[str, int] = {}

    def merged(order: MergeOrder) -> MergeResult:
        tried[order.task.id] = tried.get(order.task.id, 0) + 1
        outcome = MergeOutcome.BASE_MOVED if tried[order.task.id] <= 3 else MergeOutcome.MERGED
        nonlocal most_inside
        if tried[order.task.id] == 4:
            inside.append(order.task.id)
            most_inside = max(most_inside, len(inside))
        return MergeResult(outcome=outcome, commit=sha(order.task.id), base_commit=sha("b"))

    script.merged = merged
    script.rebased = lambda order: RebaseResult(patch=a_patch(f"{order.task.id}-{tried[order.task.id]}", "base-2"))
    async with workers(temporal, script):
        desks = [await Desk.start(temporal, signer, a_task(repository=repository)) for _ in range(3)]
        gave_back = asyncio.create_task(_leaves(script, inside))
        await asyncio.gather(*(merging(desk) for desk in desks))
        ended: list[TaskStatus] = await asyncio.gather(*(desk.result() for desk in desks))
        gave_back.cancel()
    assert [status.outcome for status in ended] == [Outcome.MERGED] * 3
    assert most_inside == 1


async def _leaves(script: Script, inside: list[str]) -> None:
    while True:
        for name, order in list(script.calls):
            if name == "give_turn_back" and order.task_id in inside:
                inside.remove(order.task_id)
        await asyncio.sleep(0.005)


async def test_a_merge_queues_while_another_task_has_the_turn(temporal: Client, signer: DecisionSigner) -> None:
    script = Script()
    repository = a_busy_repository()
    turns = MergeTurnActivities(temporal)
    other = TurnOrder(repository=repository, base="main", task_id=a_task().id)
    task = a_task(repository=repository)
    waits = iter([MergeOutcome.QUEUED])
    script.merged = lambda order: MergeResult(
        outcome=next(waits, MergeOutcome.MERGED), commit=sha("m"), base_commit=sha("m")
    )
    async with workers(temporal, script):
        holder = await Desk.start(temporal, signer, task.model_copy(update={"id": other.task_id}))
        await holder.reaches(Stage.REVIEW)
        assert (await turns.take_turn(other)).waiting == (other.task_id,)
        assert await turns.whose(task) == other.task_id
        desk = await Desk.start(temporal, signer, task)
        await merging(desk)
        async with asyncio.timeout(20):
            while script.count("take_turn") == 0:
                await asyncio.sleep(0.02)
        status = await desk.reaches(Stage.MERGE)
        assert "turn" in status.message
        assert script.count("merge") == 1
        await turns.give_turn_back(other)
        assert (await desk.result()).outcome is Outcome.MERGED
        assert await turns.whose(task) == ""
        await holder.handle.cancel()
        await holder.result()


async def test_a_task_that_died_in_the_line_does_not_stop_it(temporal: Client, signer: DecisionSigner) -> None:
    script = Script()
    repository = a_busy_repository()
    turns = MergeTurnActivities(temporal)
    dead = TurnOrder(repository=repository, base="main", task_id="deadbeef")
    async with workers(temporal, script):
        await turns.take_turn(dead)
        await closed(temporal.get_workflow_handle(dead.workflow_id))
        assert await turns.whose(a_task(repository=repository)) == ""
        await turns.give_turn_back(dead)
