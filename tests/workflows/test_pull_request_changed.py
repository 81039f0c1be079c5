"""What people do to a pull request on the forge's own page: its task ends, or asks again, as what is so demands."""

import asyncio

import pytest
from temporalio.client import Client

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import Desk, Script, a_patch, sha
from workflows.agent_task import AgentTask
from workflows.models.decision import Action
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import PullRequestState
from workflows.models.status import Outcome, Stage, TaskStatus
from workflows.models.steps import Adopted

pytestmark = pytest.mark.xdist_group("temporal")
CLOSED = PullRequestState(is_open=False, by="eve")
MERGED = PullRequestState(is_open=False, head=sha("theirs"), merge_commit=sha("their merge"), by="eve")


async def changed(desk: Desk) -> None:
    await desk.handle.signal(AgentTask.pull_request_changed)


async def tells(desk: Desk, words: str) -> TaskStatus:
    """Once people are asked again, in these words."""
    async with asyncio.timeout(30):
        while words not in (status := await desk.reaches(Stage.REVIEW)).message:
            await asyncio.sleep(0.02)
    return status


async def looked(script: Script, times: int) -> None:
    async with asyncio.timeout(30):
        while script.count("look_at_pull_request") < times:
            await asyncio.sleep(0.02)


async def test_a_closed_pull_request_ends_its_task_also_while_its_agent_is_at_work_again(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    script.holds_run.clear()
    await desk.decide(Action.REQUEST_CHANGES, message="shorter")
    await desk.reaches(Stage.RUN)
    script.pull = lambda order: CLOSED
    await changed(desk)
    status = await desk.result()
    assert (status.outcome, status.message.partition(";")[0]) == (
        Outcome.CANCELLED,
        "the pull request was closed by eve",
    )
    assert script.count("merge") == 0


async def test_a_merge_by_people_is_told_as_that_and_base_is_watched_for_people(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    script.pull = lambda order: MERGED
    await changed(desk)
    status = await desk.result()
    assert (status.outcome, status.merge_commit, status.merged_outside) == (Outcome.MERGED, sha("their merge"), True)
    assert script.count("merge") == 0
    assert script.count("close_pull_request") == 0


async def test_what_was_approved_counts_no_more_once_something_else_is_there(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    head = sha("patch")
    for seen, reason in (
        (PullRequestState(is_open=True, head=sha("theirs"), base="main"), "the next round replaces it"),
        (PullRequestState(is_open=True, head="", base="release"), "leads to release"),
    ):
        await desk.reaches(Stage.REVIEW)
        await desk.decide(Action.APPROVE)
        before = await desk.reaches(Stage.APPROVED)
        assert before.patch is not None
        head = before.patch.head
        script.pull = lambda order, seen=seen, head=head: seen.model_copy(update={"head": seen.head or head})  # type: ignore[misc]
        await changed(desk)
        assert (await tells(desk, reason)).approved_by == ()
    script.pull = lambda order: PullRequestState(is_open=True, head=head, base="main")
    await desk.decide(Action.APPROVE)
    looks = script.count("look_at_pull_request")
    await changed(desk)
    await looked(script, looks + 1)
    assert (await desk.status()).stage is Stage.APPROVED
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_a_task_s_own_merge_and_its_own_end_are_no_news_to_it(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.pull = lambda order: MERGED
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    script.holds_merge.clear()
    await desk.decide(Action.MERGE)
    await script.entered_merge.wait()
    await changed(desk)
    await desk.status()
    script.holds_merge.set()
    status = await desk.result()
    assert (status.outcome, status.merged_outside) == (Outcome.MERGED, False)
    assert script.count("look_at_pull_request") == 0
    script.pull = lambda order: CLOSED
    rejected = await Desk.start(temporal, signer)
    await rejected.reaches(Stage.REVIEW)
    await rejected.decide(Action.REJECT)
    await changed(rejected)
    assert (await rejected.result()).outcome is Outcome.REJECTED


async def test_a_policy_s_watch_takes_back_nothing_that_people_merged(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.policy = TaskPolicy.model_validate(
        script.policy.model_dump() | {"gate": {**script.policy.gate.model_dump(), "watch_seconds": 1}}
    )
    script.pull = lambda order: MERGED
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await changed(desk)
    await desk.result()
    watch = temporal.get_workflow_handle(f"watch/{desk.task.id}")
    order = (await watch.fetch_history()).events[0].workflow_execution_started_event_attributes.input.payloads[0].data
    assert b'"by_policy":false' in order


async def test_what_a_person_pushes_is_judged_and_shown_in_place_of_what_was_there(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    theirs = a_patch("theirs", diff="their diff")
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.reaches(Stage.APPROVED)
    script.adopted = lambda order: Adopted(patch=theirs, pushed_by=("eve",))
    script.pull = lambda order: PullRequestState(is_open=True, head=theirs.head, base="main")
    judged = script.count("evaluate")
    await changed(desk)
    async with asyncio.timeout(30):
        while (await desk.status()).patch != theirs or (await desk.status()).stage is not Stage.REVIEW:
            await asyncio.sleep(0.05)
    status = await desk.status()
    assert script.count("evaluate") == judged + 1
    assert script.last("propose").patch == theirs
    assert status.approved_by == ()
    assert "eve pushed" in status.message
    assert script.count("run_agent") == 1
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED
    assert script.last("merge").patch == theirs


async def test_what_is_pushed_while_a_push_is_judged_is_judged_after_it(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    first, second = a_patch("first", diff="one"), a_patch("second", diff="two")
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    script.holds_propose.clear()
    script.adopted = lambda order: Adopted(patch=first, pushed_by=("eve",))
    script.pull = lambda order: PullRequestState(is_open=True, head=first.head, base="main")
    await changed(desk)
    await desk.reaches(Stage.PROPOSE)
    script.adopted = lambda order: Adopted(patch=second, pushed_by=("eve",))
    script.pull = lambda order: PullRequestState(is_open=True, head=second.head, base="main")
    await changed(desk)
    await looked(script, 2)
    script.holds_propose.set()
    async with asyncio.timeout(30):
        while (await desk.status()).patch != second or (await desk.status()).stage is not Stage.REVIEW:
            await asyncio.sleep(0.05)
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_a_push_that_can_not_be_taken_in_is_told_and_another_round_replaces_it(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    before = await desk.reaches(Stage.REVIEW)
    script.adopted = lambda order: Adopted(refused="it has a submodule")
    script.pull = lambda order: PullRequestState(is_open=True, head=sha("theirs"), base="main")
    await changed(desk)
    async with asyncio.timeout(30):
        while "it has a submodule" not in (status := await desk.status()).message:
            await asyncio.sleep(0.05)
    assert (status.stage, status.patch) == (Stage.REVIEW, before.patch)
    assert "Request changes" in status.message
    await desk.decide(Action.REQUEST_CHANGES, message="go on")
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_a_branch_that_is_put_back_to_what_was_judged_is_not_judged_once_more(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.REVIEW)
    assert status.patch is not None
    script.adopted = lambda order: Adopted(patch=order.patch)
    script.pull = lambda order: PullRequestState(is_open=True, head=sha("theirs"), base="main")
    judged = script.count("evaluate")
    await changed(desk)
    async with asyncio.timeout(30):
        while "again, which was judged" not in (await desk.status()).message:
            await asyncio.sleep(0.05)
    assert script.count("evaluate") == judged, "what was judged is not judged once more"
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED
