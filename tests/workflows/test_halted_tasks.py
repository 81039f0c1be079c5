"""A task whose work is halted says so, waits however long it takes, and can be cancelled meanwhile."""

import asyncio

import pytest
from temporalio.client import Client

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import Desk, Script, a_verdict
from workflows.models.decision import Action
from workflows.models.gate import Permit
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("temporal")


async def says_halted(desk: Desk, script: Script, step: str) -> None:
    async with asyncio.timeout(30):
        while script.count(step) == 0 or "halted (everything) by eve: leak" not in (await desk.status()).message:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("step", ["prepare", "gather_context", "run_agent", "export_patch", "evaluate", "propose"])
async def test_a_step_that_is_halted_is_asked_for_again_until_it_is_resumed_and_fails_no_task(
    temporal: Client, script: Script, signer: DecisionSigner, step: str
) -> None:
    script.halted = {step}
    desk = await Desk.start(temporal, signer)
    await says_halted(desk, script, step)
    script.halted = set()
    status = await desk.reaches(Stage.REVIEW)
    assert (status.message, status.round, status.runs) == ("", 1, 1)
    assert script.count(step) >= 2
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


@pytest.mark.parametrize("step", ["prepare", "run_agent", "propose"])
async def test_a_task_is_cancelled_while_it_is_halted(
    temporal: Client, script: Script, signer: DecisionSigner, step: str
) -> None:
    script.halted = {step}
    desk = await Desk.start(temporal, signer)
    await says_halted(desk, script, step)
    await desk.decide(Action.CANCEL)
    assert (await desk.result()).outcome is Outcome.CANCELLED


@pytest.mark.parametrize("then", [Outcome.MERGED, Outcome.CANCELLED])
async def test_what_policy_merges_waits_for_the_end_of_a_halt_and_then_lands_with_nobody_asked(
    temporal: Client, script: Script, signer: DecisionSigner, then: Outcome
) -> None:
    script.verdict = lambda order: a_verdict(order, Permit.MERGE, phase=3)
    script.halted = {"merge"}
    desk = await Desk.start(temporal, signer)
    await says_halted(desk, script, "merge")
    if then is Outcome.CANCELLED:
        await desk.decide(Action.CANCEL)
    else:
        script.halted = set()
    status = await desk.result()
    assert (status.outcome, [signed.decision.action for signed in status.decisions]) == (
        then,
        [Action.CANCEL] if then is Outcome.CANCELLED else [],
    )


async def test_a_cancellation_is_not_lost_in_a_step_that_is_seen_to_its_end_and_answers_that_it_is_halted(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.holds_propose.clear()
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.PROPOSE)
    async with asyncio.timeout(30):
        while not script.proposed[desk.task.id].is_set():
            await asyncio.sleep(0.02)
    cancelling = asyncio.create_task(desk.decide(Action.CANCEL))
    await cancelling
    script.halted = {"propose"}
    script.holds_propose.set()
    assert (await desk.result()).outcome is Outcome.CANCELLED
