"""What a task has its forge show: each change of what holds, once, and nothing that holds it up."""

import asyncio
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import Desk, Script, a_patch, a_task, a_verdict, sha
from workflows.models.ci import CiCheck, CiOutcome, CiReport
from workflows.models.decision import Action
from workflows.models.gate import Permit, Verdict
from workflows.models.pull_request import MergeOutcome, MergeResult
from workflows.models.standing import Standing, StandingOrder
from workflows.models.status import Outcome, Stage
from workflows.models.steps import GateOrder, RebaseResult
from workflows.models.task import Repository

pytestmark = pytest.mark.xdist_group("temporal")
SHARED = Repository(url="https://github.com/acme/shop", name="acme/shop", forge="github")


def shown(script: Script) -> list[tuple[str, int, str]]:
    """Head, how many had approved, and why it was worked on again."""
    orders = [order for name, order in script.calls if name == "show_standing"]
    return [(order.patch.head, len(order.approvals), order.at_work) for order in orders]


async def until_shown(script: Script, count: int) -> None:
    async with asyncio.timeout(20):
        while len(shown(script)) < count:
            await asyncio.sleep(0.02)


async def test_each_change_of_what_holds_is_shown_once(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    moves = [MergeOutcome.BASE_MOVED, MergeOutcome.MERGED]
    script.merged = lambda order: MergeResult(outcome=moves[script.count("merge") - 1], commit=sha("merge"))
    script.rebased = lambda order: RebaseResult(patch=a_patch("rebased", base="base-2"))
    desk = await Desk.start(temporal, signer, a_task(repository=SHARED))
    await desk.reaches(Stage.REVIEW)
    await until_shown(script, 1)
    await desk.decide(Action.REQUEST_CHANGES, message="also say why")
    await until_shown(script, 3)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await until_shown(script, 4)
    await desk.decide(Action.WITHDRAW)
    await until_shown(script, 5)
    await desk.decide(Action.APPROVE)
    await until_shown(script, 6)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED
    first, second = sha("head-1"), sha("head-2")
    assert shown(script) == [
        (first, 0, ""),
        (first, 0, "bob requested changes"),
        (second, 0, ""),
        (second, 1, ""),
        (second, 0, ""),
        (second, 1, ""),
        (second, 1, "base moved, so it is judged on the new one"),
    ]


async def test_a_forge_of_this_machine_alone_has_nothing_to_show(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED
    assert shown(script) == []


async def test_what_can_not_be_shown_is_told_and_holds_up_nobody(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    def answer(order: StandingOrder) -> Any:
        if order.approvals:
            raise ApplicationError("GitHub says no", non_retryable=True)
        return Standing(not_shown="the GitHub App may write no check runs")

    script.standing = answer
    desk = await Desk.start(temporal, signer, a_task(repository=SHARED))
    await desk.reaches(Stage.REVIEW)
    await until_shown(script, 1)
    assert "may write no check runs" in (await _message(desk, "may write no"))
    await desk.decide(Action.APPROVE)
    assert "GitHub says no" in (await _message(desk, "GitHub says no"))
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


def ci(order: StandingOrder, *checks: tuple[str, CiOutcome], **more: Any) -> Standing:
    found = tuple(CiCheck(name=name, outcome=outcome) for name, outcome in checks)
    return Standing(ci=CiReport(commit=order.patch.head, checks=found, expected=True, **more))


def by_policy(order: GateOrder) -> Verdict:
    return a_verdict(order, Permit.MERGE, phase=3)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"checks": (("unit", CiOutcome.FAILED),)}, "policy does not merge it: CI fails"),
        ({"unread": "give the GitHub App `statuses: read`"}, "policy does not merge it: CI could not be read"),
    ],
)
async def test_policy_merges_nothing_on_which_ci_fails_or_is_not_known(
    temporal: Client, script: Script, signer: DecisionSigner, says: dict[str, Any], told: str
) -> None:
    script.verdict = by_policy
    script.standing = lambda order: ci(order, *says.get("checks", ()), unread=says.get("unread", ""))
    desk = await Desk.start(temporal, signer, a_task(repository=SHARED))
    assert told in await _message(desk, "policy does not merge")
    assert script.count("merge") == 0
    await desk.decide(Action.REJECT)
    assert (await desk.result()).outcome is Outcome.REJECTED


async def test_policy_waits_for_ci_and_merges_when_it_is_told_that_it_passed(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.verdict = by_policy
    state = CiOutcome.PENDING
    script.standing = lambda order: ci(order, ("unit", state))
    desk = await Desk.start(temporal, signer, a_task(repository=SHARED))
    await _message(desk, "CI runs on")
    assert script.count("merge") == 0
    state = CiOutcome.PASSED
    await desk.handle.signal("observed")
    status = await desk.result()
    assert (status.outcome, status.ci and status.ci.told) == (Outcome.MERGED, f"CI passes on {sha('head-1')[:12]}")


async def test_what_a_person_decides_while_policy_waits_for_ci_is_carried_out(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.verdict = by_policy
    script.standing = lambda order: ci(order, ("unit", CiOutcome.PENDING))
    desk = await Desk.start(temporal, signer, a_task(repository=SHARED))
    await _message(desk, "CI runs on")
    await desk.decide(Action.REJECT)
    assert (await desk.result()).outcome is Outcome.REJECTED
    assert script.count("merge") == 0


async def test_news_is_looked_at_once_and_keeps_a_task_that_has_no_forge_to_look_at_from_nothing(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.standing = lambda order: ci(order, ("unit", CiOutcome.PENDING))
    for repository, looks in ((SHARED, 2), (Repository(url="/r", name="r"), 0)):
        script.calls.clear()
        desk = await Desk.start(temporal, signer, a_task(repository=repository))
        await desk.reaches(Stage.REVIEW)
        await until_shown(script, min(looks, 1))
        await desk.handle.signal("observed")
        await until_shown(script, looks)
        await desk.decide(Action.REJECT)
        assert (await desk.result()).outcome is Outcome.REJECTED
        assert len(shown(script)) == looks


async def test_a_merge_queue_is_waited_for_and_its_news_looked_at_at_once(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    moves = [MergeOutcome.ENQUEUED, MergeOutcome.ENQUEUED, MergeOutcome.MERGED]
    script.merged = lambda order: MergeResult(
        outcome=moves[script.count("merge") - 1], commit=sha("merge"), detail="it is number 1 in the merge queue"
    )
    desk = await Desk.start(temporal, signer, a_task(repository=SHARED))
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    for looked in (1, 2):
        async with asyncio.timeout(20):
            while script.count("merge") < looked:
                await asyncio.sleep(0.02)
        await _message(desk, "in the merge queue")
        await desk.handle.signal("observed")
    assert (await desk.result()).outcome is Outcome.MERGED
    orders = [order for name, order in script.calls if name == "merge"]
    assert [(order.enqueued, order.leave_queue) for order in orders] == [(False, False), (True, False), (True, False)]


async def _message(desk: Desk, wanted: str) -> str:
    async with asyncio.timeout(20):
        while wanted not in (message := (await desk.status()).message):
            await asyncio.sleep(0.02)
    return message
