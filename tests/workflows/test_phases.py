"""What a task's workflow makes of the gate's verdict: by phase, by approvals, when base moves, when time passes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.decisions.signing import DecisionSigner, DecisionVerifier
from tests.workflows.scripted import ALICE, BOB, CAROL, Desk, Script, a_patch, a_task, a_verdict, sha, workers
from workflows.models.decision import Action
from workflows.models.gate import ApprovalNeeds, OwnedPaths, Permit, Verdict
from workflows.models.person import Person
from workflows.models.pull_request import MergeOutcome, MergeResult
from workflows.models.question import Choice
from workflows.models.status import Outcome, Stage
from workflows.models.steps import GateOrder, MergeOrder, RebaseResult

pytestmark = pytest.mark.xdist_group("temporal")


@pytest_asyncio.fixture
async def script(temporal: Client, signer: DecisionSigner) -> AsyncIterator[Script]:
    script = Script()
    script.verifier = DecisionVerifier.trusting(signer.public_key)
    async with workers(temporal, script):
        yield script


async def refusal(desk: Desk, action: Action, person: Person = BOB) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await desk.decide(action, person)
    return str(refused.value.cause)


def permits(permit: Permit) -> Callable[[GateOrder], Verdict]:
    def answer(order: GateOrder) -> Verdict:
        return a_verdict(order, permit, phase={"person": 1, "approve": 2, "merge": 3}[permit])

    return answer


async def test_in_the_first_phase_what_policy_would_do_is_told_after_the_person_decided(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.REVIEW)
    assert script.count("judge") == 1
    assert (status.verdict, status.risk is not None) == (None, True)
    await desk.decide(Action.APPROVE)
    status = await desk.status()
    assert status.verdict is not None
    assert status.verdict.permits is Permit.PERSON
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_in_the_second_phase_policy_approves_and_a_person_merges(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.verdict = permits(Permit.APPROVE)
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.APPROVED)
    assert (status.approved_by, script.count("merge")) == (("policy",), 0)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED
    order: MergeOrder = script.last("merge")
    assert order.approvals == ()
    assert order.merge is not None


async def test_in_the_third_phase_policy_merges_with_nobody_asked(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.verdict = permits(Permit.MERGE)
    desk = await Desk.start(temporal, signer)
    status = await desk.result()
    assert (status.outcome, status.decisions) == (Outcome.MERGED, ())
    order: MergeOrder = script.last("merge")
    assert (order.approval, order.merge) == (None, None)


async def test_what_policy_may_not_merge_after_all_falls_back_to_a_person(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.verdict = permits(Permit.MERGE)
    script.merged = lambda order: MergeResult(
        outcome=MergeOutcome.REFUSED if order.merge is None else MergeOutcome.MERGED,
        commit="" if order.merge is None else sha("merge"),
        detail="refused: policy does not merge it: trust was taken away",
    )
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.APPROVED)
    assert "trust was taken away" in status.message
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_when_trust_is_lost_before_the_merge_a_person_can_approve_instead(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.verdict = lambda order: a_verdict(order, Permit.APPROVE if script.count("judge") < 2 else Permit.PERSON)
    script.merged = lambda order: MergeResult(
        outcome=MergeOutcome.MERGED if order.approvals else MergeOutcome.REFUSED,
        commit=sha("merge") if order.approvals else "",
        detail="refused: policy does not approve it",
    )
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.APPROVED)
    await desk.decide(Action.MERGE)
    status = await desk.reaches(Stage.REVIEW)
    assert (status.message, status.approved_by) == ("refused: policy does not approve it", ())
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_a_gate_that_can_not_decide_leaves_it_to_a_person(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    def broken(order: GateOrder) -> Verdict:
        raise ApplicationError("the record can't be read", non_retryable=True)

    script.verdict = broken
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED
    assert status.message == "" or "policy could not decide" in status.message


async def test_when_base_moves_policy_decides_anew_and_may_decide_otherwise(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.verdict = lambda order: a_verdict(
        order, Permit.MERGE if order.patch.base_commit == sha("base-1") else Permit.PERSON
    )
    script.merged = lambda order: MergeResult(
        outcome=MergeOutcome.BASE_MOVED if order.patch.base_commit == sha("base-1") else MergeOutcome.MERGED,
        commit=sha("merge"),
        base_commit=sha("base-2"),
    )
    script.rebased = lambda order: RebaseResult(patch=a_patch("rebased", base="base-2"))
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.REVIEW)
    assert "policy does not approve it on the new base" in status.message
    assert script.count("merge") == 1
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_two_persons_have_to_approve_what_is_risky_and_the_second_at_once_is_not_lost(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.verdict = lambda order: a_verdict(order, needs=ApprovalNeeds(count=2))
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.REVIEW)
    assert "2 more approvals" in status.message
    assert "another person" in await refusal(desk, Action.APPROVE, ALICE)
    receipts = await asyncio.gather(desk.decide(Action.APPROVE, BOB), desk.decide(Action.APPROVE, CAROL))
    assert sorted(receipt.stage for receipt in receipts) == [Stage.APPROVED, Stage.REVIEW]
    assert set((await desk.status()).approved_by) == {"bob", "carol"}
    await desk.decide(Action.MERGE, CAROL)
    assert (await desk.result()).outcome is Outcome.MERGED
    assert len(script.last("merge").approvals) == 2


async def test_one_person_twice_is_not_two(temporal: Client, script: Script, signer: DecisionSigner) -> None:
    script.verdict = lambda order: a_verdict(order, needs=ApprovalNeeds(count=2))
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    assert "bob has approved it already" in await refusal(desk, Action.APPROVE)
    assert "can't merge while the task is at stage review" in await refusal(desk, Action.MERGE)
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_an_owner_of_the_paths_has_to_be_among_them(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    owned = (OwnedPaths(names=("@acme/pay",), persons=("carol",), paths=("pay/a.py",)),)
    script.verdict = lambda order: a_verdict(order, needs=ApprovalNeeds(owned=owned))
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    status = await desk.status()
    assert (status.stage, "carol (@acme/pay own pay/a.py)" in status.message) == (Stage.REVIEW, True)
    await desk.decide(Action.APPROVE, CAROL)
    assert (await desk.status()).stage is Stage.APPROVED
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_who_approved_can_take_it_back_until_it_is_merged(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    assert "no approval by carol" in await refusal(desk, Action.WITHDRAW, CAROL)
    await desk.decide(Action.WITHDRAW)
    status = await desk.status()
    assert (status.stage, status.approved_by) == (Stage.REVIEW, ())
    await desk.decide(Action.APPROVE, CAROL)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_an_approval_expires_and_is_asked_for_again(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE, expires_at=datetime.now(UTC) + timedelta(seconds=2))
    await desk.reaches(Stage.APPROVED)
    status = await desk.reaches(Stage.REVIEW)
    assert (status.message, status.approved_by) == ("the approval by bob has expired: look at it again", ())
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_a_person_can_stop_what_policy_approved(temporal: Client, script: Script, signer: DecisionSigner) -> None:
    script.verdict = permits(Permit.APPROVE)
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.APPROVED)
    await desk.decide(Action.REJECT)
    assert (await desk.result()).outcome is Outcome.REJECTED
    assert script.count("merge") == 0


async def test_a_vague_goal_is_asked_about_before_an_agent_is_paid(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer, a_task(goal="fix it"), question="what is meant?")
    status = await desk.reaches(Stage.QUESTION)
    assert (status.question is not None and status.question.text, script.count("prepare")) == ("what is meant?", 0)
    assert status.question is not None
    await desk.decide(
        Action.ANSWER, ALICE, question=status.question.id, choice=Choice.CONTINUE, message="add() subtracts"
    )
    await desk.reaches(Stage.REVIEW)
    assert script.last("gather_context").guidance == "add() subtracts"
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_a_vague_task_can_be_discarded_at_no_cost(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer, a_task(goal="fix it"), question="what is meant?")
    status = await desk.reaches(Stage.QUESTION)
    assert status.question is not None
    await desk.decide(Action.ANSWER, ALICE, question=status.question.id, choice=Choice.DISCARD)
    assert (await desk.result()).outcome is Outcome.DISCARDED
    assert script.count("run_agent") == 0
