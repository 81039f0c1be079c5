"""A budget pauses the work and asks; it never kills it, and no two tasks are promised the same money."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from activities.budget import BudgetActivities
from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import ALICE, BOB, CAROL, Desk, Script, a_task, ref, workers
from workflows.models.decision import Action
from workflows.models.evidence import Finding, Severity
from workflows.models.policy import TaskPolicy
from workflows.models.question import Choice, QuestionKind
from workflows.models.run import RunEnd, RunResult
from workflows.models.status import Outcome, Stage
from workflows.models.steps import RunOrder
from workflows.models.usage import Budget, Metered, Reserve, Settle

pytestmark = pytest.mark.xdist_group("temporal")
CAP = Budget(task_micro_usd=100, task_most_micro_usd=250)


def paid(needs: int) -> Callable[[RunOrder], RunResult]:
    """A run that needs so many micro-dollars to get done, and stands still at its allowance."""

    def run(order: RunOrder) -> RunResult:
        most = order.allowance.micro_usd
        used = needs if most is None else min(needs, most)
        metered = Metered(requests=1, micro_usd=used)
        result = RunResult(run_id=order.run_id, end=RunEnd.EXITED, agent="scripted", metered=metered)
        if order.stop:
            return result.model_copy(update={"end": RunEnd.BUDGET, "detail": order.stop})
        if used < needs:
            held = metered.model_copy(update={"held": "micro_usd"})
            return result.model_copy(update={"end": RunEnd.PAUSED, "metered": held})
        return result.model_copy(update={"succeeded": True, "exit_code": 0})

    return run


def scripted(budget: Budget, needs: int, **policy: Any) -> Script:
    script = Script()
    script.policy = TaskPolicy(hash="policy-1", feedback_rounds=1, budget=budget, **policy)
    script.run = paid(needs)
    return script


async def answer(desk: Desk, choice: Choice, more: int = 0, person: Any = ALICE) -> None:
    question = (await desk.status()).question
    assert question is not None
    await desk.decide(Action.ANSWER, person, question=question.id, choice=choice, more_micro_usd=more)


async def refused(answering: Any) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await answering
    return str(error.value.cause)


async def test_a_run_at_its_cap_stands_still_and_goes_on_with_what_is_given(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = scripted(CAP, needs=150)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.reaches(Stage.QUESTION)
        assert status.question is not None
        assert (status.question.kind, status.question.cap) == (QuestionKind.BUDGET, "task")
        assert "budget" in status.message
        assert "answer" in status.waits_for
        await answer(desk, Choice.CONTINUE, 60)
        status = await desk.reaches(Stage.REVIEW)
        assert status.used.micro_usd == 150
        assert status.question is None
        # The same run went on: nothing was paid twice.
        runs = [order for name, order in script.calls if name == "run_agent"]
        assert [order.allowance.micro_usd for order in runs] == [100, 160]
        assert len({order.run_id for order in runs}) == 1
        await desk.handle.cancel()
        await desk.result()


async def test_what_there_is_can_be_proposed_although_the_money_is_gone(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = scripted(CAP, needs=150)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        await desk.reaches(Stage.QUESTION)
        await answer(desk, Choice.PROPOSE)
        status = await desk.reaches(Stage.REVIEW)
        assert script.last("run_agent").stop
        assert status.pull_request is not None
        await desk.handle.cancel()
        await desk.result()


async def test_a_proposal_that_is_blocked_does_not_start_another_paid_round(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = scripted(CAP, needs=150)
    script.findings = lambda order: (Finding(rule="checks-fail", severity=Severity.BLOCKER, message="red"),)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        await desk.reaches(Stage.QUESTION)
        await answer(desk, Choice.PROPOSE)
        await desk.reaches(Stage.GUIDANCE)
        assert (await desk.status()).runs == 1
        await desk.handle.cancel()
        await desk.result()


async def test_a_discarded_run_ends_the_task_and_keeps_its_patch(temporal: Client, signer: DecisionSigner) -> None:
    script = scripted(CAP, needs=150)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        await desk.reaches(Stage.QUESTION)
        await answer(desk, Choice.DISCARD)
        status = await desk.result()
    assert (status.outcome, status.pull_request) == (Outcome.DISCARDED, None)
    assert status.patch is not None
    assert "kept in the archive" in status.message


async def test_when_nobody_answers_the_work_is_kept_and_nothing_is_proposed(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = scripted(CAP.model_copy(update={"answer_seconds": 0.5}), needs=150)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.result()
    assert (status.outcome, status.pull_request) == (Outcome.UNANSWERED, None)
    assert status.patch is not None
    assert "nobody answered" in status.message
    assert script.count("export_patch") == script.count("release") == 1


async def test_answers_are_refused_that_are_late_forged_or_too_generous(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = scripted(CAP, needs=500, reviewers=("bob",))
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        await desk.reaches(Stage.QUESTION)
        assert "at most" in await refused(answer(desk, Choice.CONTINUE, 151))
        assert "how much more" in await refused(answer(desk, Choice.CONTINUE))
        assert "neither asked" in await refused(answer(desk, Choice.CONTINUE, 10, CAROL))
        assert "not asked any more" in await refused(
            desk.decide(Action.ANSWER, ALICE, question="q9", choice=Choice.DISCARD)
        )
        await answer(desk, Choice.CONTINUE, 150, BOB)
        # At the ceiling nobody can let it go on.
        async with asyncio.timeout(20):
            while (status := await desk.status()).question is None or status.question.id == "q1":
                await asyncio.sleep(0.02)
        assert status.question.choices == (Choice.PROPOSE, Choice.DISCARD)
        await answer(desk, Choice.DISCARD)
        await desk.result()
        with pytest.raises(Exception, match=r"not found|completed"):
            await desk.decide(Action.ANSWER, ALICE, question="q2", choice=Choice.DISCARD)


async def test_a_run_that_made_its_tool_calls_is_followed_by_a_fresh_one_with_what_it_handed_over(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = Script()

    def run(order: RunOrder) -> RunResult:
        done = script.count("run_agent") >= 3
        end = RunEnd.EXITED if done else RunEnd.TOOL_CALLS
        handover = None if done else ref(f"handover of {order.run_id}")
        return RunResult(run_id=order.run_id, end=end, succeeded=done, agent="scripted", handover=handover)

    script.run = run
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.reaches(Stage.REVIEW)
        assert (status.runs, status.round) == (3, 1)
        contexts = [order.handover for name, order in script.calls if name == "gather_context"]
        ids = [order.run_id for name, order in script.calls if name == "run_agent"]
        assert contexts == [None, ref(f"handover of {ids[0]}"), ref(f"handover of {ids[1]}")]
        assert len(set(ids)) == 3
        assert script.count("prepare") == 1
        await desk.handle.cancel()
        await desk.result()


async def test_an_agent_that_is_never_done_is_asked_about_without_holding_a_workspace(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = Script()
    script.policy = TaskPolicy(hash="policy-1", runs_per_round=2)
    script.run = lambda order: RunResult(run_id=order.run_id, end=RunEnd.TOOL_CALLS, handover=ref("handover"))
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.reaches(Stage.QUESTION)
        assert status.question is not None
        assert status.question.kind is QuestionKind.UNFINISHED
        assert script.count("prepare") == script.count("release") == 1
        await answer(desk, Choice.CONTINUE)
        async with asyncio.timeout(20):
            while (await desk.status()).runs < 4 or (await desk.status()).question is None:
                await asyncio.sleep(0.02)
        # It went on from the work and the words of the last run.
        assert script.last("prepare").resume_from is not None
        assert [order.handover for name, order in script.calls if name == "gather_context"][2] == ref("handover")
        await answer(desk, Choice.PROPOSE)
        await desk.reaches(Stage.REVIEW)
        await desk.handle.cancel()
        await desk.result()


async def test_two_tasks_are_never_promised_the_same_money_of_a_day(temporal: Client, signer: DecisionSigner) -> None:
    team = f"team-{uuid.uuid4().hex}"
    budget = Budget(task_micro_usd=100, team_day_micro_usd=150, team=team)
    script = scripted(budget, needs=100)
    script.holds_run.clear()
    async with workers(temporal, script):
        first = await Desk.start(temporal, signer)
        async with asyncio.timeout(20):
            while script.count("run_agent") < 1:
                await asyncio.sleep(0.02)
        second = await Desk.start(temporal, signer)
        async with asyncio.timeout(20):
            while script.count("run_agent") < 2:
                await asyncio.sleep(0.02)
        assert script.last("run_agent").allowance.micro_usd == 50
        script.holds_run.set()
        await first.reaches(Stage.REVIEW)
        status = await second.reaches(Stage.QUESTION)
        assert status.question is not None
        assert status.question.cap == "team-day"
        # Its requester can't raise what is the team's; somebody else can.
        assert "another person" in await refused(answer(second, Choice.CONTINUE, 50))
        await answer(second, Choice.CONTINUE, 50, BOB)
        await second.reaches(Stage.REVIEW)
        for desk in (first, second):
            await desk.handle.cancel()
            await desk.result()


async def test_what_a_run_did_not_use_is_free_again_and_counting_twice_is_once(temporal: Client) -> None:
    budget, team = BudgetActivities(temporal), f"team-{uuid.uuid4().hex}"
    order = Reserve(run_id="r1", team=team, requester="alice", micro_usd=80, team_day_micro_usd=100)
    async with workers(temporal, Script()):
        assert (await budget.reserve_budget(order)).micro_usd == 80
        assert (await budget.reserve_budget(order)).micro_usd == 80
        other = order.model_copy(update={"run_id": "r2", "requester": "bob"})
        granted = await budget.reserve_budget(other)
        assert (granted.micro_usd, granted.bound_by) == (20, "team-day")
        for _ in range(2):
            await budget.settle_budget(Settle(run_id="r1", team=team, micro_usd=10))
        assert (await budget.reserve_budget(other)).micro_usd == 80
        mine = order.model_copy(update={"run_id": "r3", "requester_day_micro_usd": 15})
        granted = await budget.reserve_budget(mine)
        assert (granted.micro_usd, granted.bound_by) == (5, "requester-day")


async def test_a_task_without_a_shared_cap_costs_no_step_for_it(temporal: Client, signer: DecisionSigner) -> None:
    script = scripted(CAP, needs=10)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer, a_task())
        await desk.reaches(Stage.REVIEW)
        assert script.count("reserve_budget") == script.count("settle_budget") == 0
        await desk.handle.cancel()
        await desk.result()
