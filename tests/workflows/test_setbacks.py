"""A run that hangs goes on once by itself, then people are asked; one that comes to a limit is asked about at once."""

from collections.abc import Callable

import pytest
from temporalio.client import Client

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import ALICE, Desk, Script, ref, workers
from workflows.models.decision import Action
from workflows.models.policy import TaskPolicy
from workflows.models.question import Choice, QuestionKind
from workflows.models.run import HangKind, RunEnd, RunResult
from workflows.models.status import Outcome, Stage
from workflows.models.steps import RunOrder
from workflows.models.usage import Budget

pytestmark = pytest.mark.xdist_group("temporal")


def ends(script: Script, *ended: RunEnd, last: RunEnd = RunEnd.EXITED) -> Callable[[RunOrder], RunResult]:
    """Runs that end so, one after the other, and then all as the last."""

    def run(order: RunOrder) -> RunResult:
        number = script.count("run_agent") - 1
        end = ended[number] if number < len(ended) else last
        hang = HangKind.STALL if end is RunEnd.HUNG else None
        handover = ref(f"handover of {order.run_id}") if end is not RunEnd.EXITED else None
        done = end is RunEnd.EXITED
        return RunResult(run_id=order.run_id, end=end, hang=hang, succeeded=done, handover=handover, agent="scripted")

    return run


def orders(script: Script) -> list[RunOrder]:
    return [order for name, order in script.calls if name == "run_agent"]


async def answer(desk: Desk, choice: Choice) -> None:
    question = (await desk.reaches(Stage.QUESTION)).question
    assert question is not None
    await desk.decide(Action.ANSWER, ALICE, question=question.id, choice=choice)


async def test_a_run_that_hung_goes_on_once_with_its_conversation_in_its_workspace(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = Script()
    script.run = ends(script, RunEnd.HUNG)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.reaches(Stage.REVIEW)
        first, second = orders(script)
        assert (first.goes_on, second.goes_on) == ("", first.run_id)
        told = script.last("gather_context")
        assert (told.interrupted, told.handover) == ("the agent hung (stall)", ref(f"handover of {first.run_id}"))
        assert (script.count("prepare"), status.round, status.hangs) == (1, 1, (f"stall in run {first.run_id}",))
        await desk.handle.cancel()
        await desk.result()


async def test_a_second_hang_asks_and_each_answer_allows_one_more(temporal: Client, signer: DecisionSigner) -> None:
    script = Script()
    script.run = ends(script, last=RunEnd.HUNG)
    script.policy = TaskPolicy(hash="policy-1", continues=1)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.reaches(Stage.QUESTION)
        assert status.question is not None and status.question.kind is QuestionKind.HANG
        assert (script.count("run_agent"), script.count("release")) == (2, 1)
        await answer(desk, Choice.CONTINUE)
        while (status := await desk.reaches(Stage.QUESTION)).question is None or status.question.id == "q1":
            pass
        made = orders(script)
        # It went on from the work and with the conversation of the last run, and once more by itself.
        assert [order.goes_on for order in made] == ["", *(order.run_id for order in made[:3])]
        assert script.last("prepare").resume_from is not None
        assert status.question.choices == (Choice.PROPOSE, Choice.DISCARD)
        await answer(desk, Choice.PROPOSE)
        assert (await desk.reaches(Stage.REVIEW)).pull_request is not None
        assert script.count("run_agent") == 4
        await desk.handle.cancel()
        await desk.result()


@pytest.mark.parametrize("end", [RunEnd.DEADLINE, RunEnd.MEMORY, RunEnd.PROCESSES, RunEnd.DISK])
async def test_a_limit_is_asked_about_at_once_and_gone_on_from(
    temporal: Client, signer: DecisionSigner, end: RunEnd
) -> None:
    script = Script()
    script.run = ends(script, end)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.reaches(Stage.QUESTION)
        assert status.question is not None and status.question.kind is QuestionKind.LIMIT
        assert script.count("run_agent") == script.count("release") == 1
        await answer(desk, Choice.CONTINUE)
        await desk.reaches(Stage.REVIEW)
        first, second = orders(script)
        assert second.goes_on == first.run_id
        await desk.handle.cancel()
        await desk.result()


async def test_a_limit_about_which_nobody_answers_keeps_the_work_and_proposes_nothing(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = Script()
    script.run = ends(script, RunEnd.DEADLINE)
    script.policy = TaskPolicy(hash="policy-1", budget=Budget(answer_seconds=0.5))
    async with workers(temporal, script):
        status = await (await Desk.start(temporal, signer)).result()
    assert (status.outcome, status.pull_request) == (Outcome.UNANSWERED, None)
    assert status.patch is not None
    assert "was not done in the 1800 s of a run; nobody answered" in status.message


async def test_a_hang_after_a_result_that_stands_is_no_first_of_two(temporal: Client, signer: DecisionSigner) -> None:
    script = Script()
    stands = RunResult(run_id="", end=RunEnd.HUNG, hang=HangKind.NO_EXIT, succeeded=True, agent="scripted")
    after = ends(script, RunEnd.EXITED, RunEnd.HUNG)

    def run(order: RunOrder) -> RunResult:
        is_first = script.count("run_agent") == 1
        return stands.model_copy(update={"run_id": order.run_id}) if is_first else after(order)

    script.run = run
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.reaches(Stage.REVIEW)
        assert (script.count("run_agent"), len(status.hangs)) == (1, 1)
        await desk.decide(Action.REQUEST_CHANGES, message="also say why")
        while (status := await desk.reaches(Stage.REVIEW)).round < 2:
            pass
        assert (script.count("run_agent"), len(status.hangs)) == (3, 2)
        await desk.handle.cancel()
        await desk.result()
