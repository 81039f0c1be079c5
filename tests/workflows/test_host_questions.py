"""A run that was refused a host: people are asked, a few times at most, and whatever they say it goes on."""

from collections.abc import Callable

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import ALICE, BOB, Desk, Script, workers
from workflows.models.decision import Action
from workflows.models.policy import TaskPolicy
from workflows.models.question import HOSTS, Choice, QuestionKind
from workflows.models.run import RunEnd, RunResult
from workflows.models.status import Stage
from workflows.models.steps import RunOrder
from workflows.models.usage import Budget

pytestmark = pytest.mark.xdist_group("temporal")


def wants(*hosts: str) -> Callable[[RunOrder], RunResult]:
    """A run that asks for one host after the other, as long as anybody is asked about them."""

    def run(order: RunOrder) -> RunResult:
        left = [host for host in hosts if host not in order.asked]
        if order.asks and left:
            return RunResult(run_id=order.run_id, end=RunEnd.PAUSED, egress_wanted=(left[0],))
        return RunResult(run_id=order.run_id, end=RunEnd.EXITED, exit_code=0, succeeded=True, agent="scripted")

    return run


def scripted(*hosts: str, asks: bool = True, seconds: float = 3600) -> Script:
    script = Script()
    script.policy = TaskPolicy(hash="p", egress_asks=asks, budget=Budget(answer_seconds=seconds))
    script.run = wants(*hosts)
    return script


async def test_the_same_run_goes_on_after_an_answer_and_nobody_is_asked_twice(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = scripted("a.example:443")
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        question = (await desk.reaches(Stage.QUESTION)).question
        assert question is not None
        assert (question.kind, question.choices, question.hosts) == (QuestionKind.EGRESS, HOSTS, ("a.example:443",))
        about = {"question": question.id, "choice": Choice.ALLOW_ONCE}
        for person, wrong, why in (
            (ALICE, {"hosts": question.hosts}, "another person has to answer"),
            (BOB, {"hosts": ("b.example:443",)}, "not asked about"),
            (BOB, {"hosts": ()}, "say which hosts"),
            (BOB, {"hosts": question.hosts, "choice": Choice.CONTINUE}, "can be answered with allow-once"),
        ):
            with pytest.raises(WorkflowUpdateFailedError) as error:
                await desk.decide(Action.ANSWER, person, **{**about, **wrong})
            assert why in str(error.value.cause)
        await desk.decide(Action.ANSWER, BOB, **about, hosts=question.hosts)
        await desk.reaches(Stage.REVIEW)
        runs = [order for name, order in script.calls if name == "run_agent"]
        assert [order.asked for order in runs] == [(), ("a.example:443",)]
        assert len({order.run_id for order in runs}) == 1
        await desk.handle.cancel()
        await desk.result()


async def test_when_nobody_answers_the_hosts_stay_refused_and_the_run_goes_on(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = scripted("a.example:443", seconds=0.2)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        status = await desk.reaches(Stage.REVIEW)
        assert status.question is None and not status.decisions
        assert script.last("run_agent").asked == ("a.example:443",)
        await desk.handle.cancel()
        await desk.result()


async def test_an_agent_that_tries_one_host_after_the_other_asks_people_five_times(
    temporal: Client, signer: DecisionSigner
) -> None:
    script = scripted(*(f"{number}.example:443" for number in range(50)), seconds=0.05)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        await desk.reaches(Stage.REVIEW)
        assert script.count("run_agent") == 6
        assert not script.last("run_agent").asks
        await desk.handle.cancel()
        await desk.result()


async def test_without_an_owners_word_nobody_is_asked(temporal: Client, signer: DecisionSigner) -> None:
    script = scripted("a.example:443", asks=False)
    async with workers(temporal, script):
        desk = await Desk.start(temporal, signer)
        await desk.reaches(Stage.REVIEW)
        assert script.count("run_agent") == 1
        await desk.handle.cancel()
        await desk.result()
