"""A base that moved and conflicts with a patch: the next round begins there, and is told of the patch so far."""

import asyncio

import pytest
from temporalio.client import Client

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import Desk, Script, a_patch, sha
from workflows.models.decision import Action
from workflows.models.patch import Conflict, ExportResult
from workflows.models.pull_request import MergeOutcome, MergeResult
from workflows.models.question import Choice
from workflows.models.run import RunEnd, RunResult
from workflows.models.status import Outcome, Stage
from workflows.models.steps import RebaseResult

pytestmark = pytest.mark.xdist_group("temporal")


async def in_conflict(temporal: Client, script: Script, signer: DecisionSigner) -> Desk:
    script.merged = lambda order: MergeResult(
        outcome=MergeOutcome.MERGED if script.count("merge") > 1 else MergeOutcome.BASE_MOVED, commit=sha("merge")
    )
    script.rebased = lambda order: RebaseResult(conflicts=("calc.py",))
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    status = await desk.reaches(Stage.GUIDANCE)
    assert status.patch is not None
    assert status.conflict == Conflict(patch=status.patch, paths=("calc.py",))
    return desk


async def test_a_patch_that_base_conflicts_with_is_made_anew_on_base_as_it_is_now(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await in_conflict(temporal, script, signer)
    conflict = (await desk.status()).conflict
    script.exported = lambda order: ExportResult(patch=a_patch("anew", base="base-2"))
    await desk.decide(Action.REQUEST_CHANGES, message="lay it onto base")
    status = await desk.reaches(Stage.REVIEW)
    assert script.last("prepare").resume_from is None
    assert script.last("gather_context").conflict == conflict
    assert status.conflict is None
    await desk.decide(Action.REQUEST_CHANGES, message="say why")
    while (status := await desk.reaches(Stage.REVIEW)).round < 3:
        await asyncio.sleep(0.02)
    assert script.last("prepare").resume_from == a_patch("anew", base="base-2")
    assert script.last("gather_context").conflict is None
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_a_conflict_is_told_to_every_run_until_something_was_judged_on_the_new_base(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await in_conflict(temporal, script, signer)
    script.exported = lambda order: ExportResult(patch=a_patch("half", base="base-2"))
    script.run = lambda order: RunResult(run_id=order.run_id, end=RunEnd.DEADLINE, agent="scripted")
    await desk.decide(Action.REQUEST_CHANGES, message="lay it onto base")
    question = (await desk.reaches(Stage.QUESTION)).question
    assert question is not None
    script.run = lambda order: RunResult(run_id=order.run_id, end=RunEnd.EXITED, succeeded=True, agent="scripted")
    await desk.decide(Action.ANSWER, question=question.id, choice=Choice.CONTINUE)
    await desk.reaches(Stage.REVIEW)
    # What was made on the new base is gone on with, not begun again.
    assert script.last("prepare").resume_from == a_patch("half", base="base-2")
    assert script.last("gather_context").conflict is not None
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_the_old_patch_is_never_proposed_for_one_that_was_not_made_on_the_new_base(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await in_conflict(temporal, script, signer)
    script.exported = lambda order: ExportResult(empty=True)
    script.run = lambda order: RunResult(run_id=order.run_id, end=RunEnd.DEADLINE, agent="scripted")
    await desk.decide(Action.REQUEST_CHANGES, message="lay it onto base")
    question = (await desk.reaches(Stage.QUESTION)).question
    assert question is not None
    await desk.decide(Action.ANSWER, question=question.id, choice=Choice.PROPOSE)
    status = await desk.result()
    assert status.outcome is Outcome.NO_CHANGES
    assert status.patch is not None
