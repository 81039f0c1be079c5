"""A task's path through its workflow, on a real Temporal server, with a scripted world."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.decisions.signing import DecisionSigner, DecisionVerifier
from tests.workflows.scripted import ALICE, BOB, CAROL, Desk, Script, a_patch, a_task, sha, workers
from workflows import queues
from workflows.models.decision import Action, Decision
from workflows.models.evidence import Finding, Severity
from workflows.models.intent import revert_workflow_id, watch_workflow_id
from workflows.models.patch import ExportResult
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import MergeOutcome, MergeResult, RevertOutcome, RevertResult
from workflows.models.run import RunEnd, RunResult
from workflows.models.status import Outcome, RevertRequest, Stage
from workflows.models.steps import RebaseResult
from workflows.revert_merge import RevertMerge

pytestmark = pytest.mark.xdist_group("temporal")
BLOCKER = Finding(rule="checks-fail", severity=Severity.BLOCKER, message="1 test fails")
SOON = timedelta(milliseconds=10)
NOTE = Finding(rule="size", severity=Severity.NOTE, message="large")


@pytest_asyncio.fixture
async def script(temporal: Client, signer: DecisionSigner) -> AsyncIterator[Script]:
    script = Script()
    script.verifier = DecisionVerifier.trusting(signer.public_key)
    async with workers(temporal, script):
        yield script


async def refusal(sending: "asyncio.Future[object]") -> str:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await sending
    return str(refused.value.cause)


async def test_a_task_merges_after_a_persons_approval_and_a_persons_merge(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    assert script.count("merge") == 0
    await desk.decide(Action.MERGE)
    status = await desk.result()
    assert (status.outcome, status.merge_commit) == (Outcome.MERGED, sha("merge"))
    assert script.count("run_agent") == script.count("merge") == 1
    # The watch of base begins meanwhile, with entries of its own.
    assert [order.kind for name, order in script.calls if name == "record"].count("outcome") == 1
    assert [signed.decision.action for signed in status.decisions] == [Action.APPROVE, Action.MERGE]


async def test_a_normal_tasks_history_stays_small(temporal: Client, script: Script, signer: DecisionSigner) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    await desk.result()
    description = await desk.handle.describe()
    assert description.history_length <= 120


async def test_a_parked_task_holds_no_workspace(temporal: Client, script: Script, signer: DecisionSigner) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    assert script.count("prepare") == script.count("release") == 1
    async with asyncio.timeout(10):
        while (await desk.handle.describe()).raw_description.pending_activities:
            await asyncio.sleep(0.05)
    await desk.handle.cancel()
    await desk.result()


async def test_the_requester_cannot_approve_their_own_task(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    assert "another person" in await refusal(asyncio.ensure_future(desk.decide(Action.APPROVE, ALICE)))
    assert script.count("verify_decision") == 0
    await desk.decide(Action.REJECT)
    assert (await desk.result()).outcome is Outcome.REJECTED


async def test_only_reviewers_approve_where_a_team_names_them(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.policy = TaskPolicy(hash="p", reviewers=("carol",))
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    assert "not a reviewer" in await refusal(asyncio.ensure_future(desk.decide(Action.APPROVE, BOB)))
    await desk.decide(Action.APPROVE, CAROL)
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_an_update_sent_straight_to_temporal_cannot_approve(
    temporal: Client, script: Script, signer: DecisionSigner, tmp_path: Path
) -> None:
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.REVIEW)
    forger = Desk(desk.handle, desk.task, DecisionSigner.load_or_create(tmp_path / "forger"))
    forged = forger.sign(Action.APPROVE, BOB, status)
    assert "unknown gateway" in await refusal(asyncio.ensure_future(desk.send(forged)))
    assert (await desk.status()).stage is Stage.REVIEW
    reused = desk.sign(Action.REJECT, BOB, status)
    assert "was sent as" in await refusal(asyncio.ensure_future(desk.send(reused, Action.APPROVE)))
    await desk.decide(Action.REJECT)
    await desk.result()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head": "0" * 40}, "look at it again"),
        ({"evidence_hash": "0" * 64}, "evidence has changed"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expired"),
        ({"task_id": "other"}, "about task other"),
    ],
)
async def test_a_stale_or_misdirected_approval_is_refused_and_says_why(
    temporal: Client, script: Script, signer: DecisionSigner, changes: dict[str, Any], words: str
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    assert words in await refusal(asyncio.ensure_future(desk.decide(Action.APPROVE, **changes)))
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_a_merge_without_an_approval_is_refused(temporal: Client, script: Script, signer: DecisionSigner) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    assert "approve it first" in await refusal(asyncio.ensure_future(desk.decide(Action.MERGE)))
    await desk.decide(Action.REJECT)
    assert script.count("merge") == 0
    await desk.result()


async def test_of_two_people_who_decide_at_once_the_second_is_told(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    answers = await asyncio.gather(
        desk.decide(Action.APPROVE, BOB), desk.decide(Action.APPROVE, CAROL), return_exceptions=True
    )
    assert sum(isinstance(answer, WorkflowUpdateFailedError) for answer in answers) == 1
    assert len((await desk.status()).decisions) == 1
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_a_failing_evaluation_goes_back_to_the_agent_with_what_was_found(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.findings = lambda order: (BLOCKER,) if order.round == 1 else ()
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.REVIEW)
    assert status.round == 2
    assert script.last("gather_context").feedback is not None
    assert script.last("evaluate").base_run is not None
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_a_patch_that_stays_blocked_waits_for_guidance_and_is_never_proposed(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.findings = lambda order: (BLOCKER,) if order.round <= 2 else ()
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.GUIDANCE)
    assert script.count("propose") == 0
    assert "can't approve" in await refusal(asyncio.ensure_future(desk.decide(Action.APPROVE)))
    await desk.decide(Action.REQUEST_CHANGES, message="use the other function")
    await desk.reaches(Stage.REVIEW)
    assert script.last("gather_context").guidance == "use the other function"
    assert script.last("prepare").resume_from is not None
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_request_changes_voids_the_approval(temporal: Client, script: Script, signer: DecisionSigner) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.REQUEST_CHANGES, message="smaller, please")
    await desk.reaches(Stage.REVIEW)
    assert "approve it first" in await refusal(asyncio.ensure_future(desk.decide(Action.MERGE)))
    await desk.decide(Action.REJECT)
    status = await desk.result()
    assert script.count("propose") == 2
    assert script.count("close_pull_request") == 1
    assert status.outcome is Outcome.REJECTED


async def test_a_round_that_fails_after_changes_were_asked_for_leaves_no_open_pull_request(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    script.run = lambda order: RunResult(run_id=order.run_id, end=RunEnd.EXITED, exit_code=3)
    await desk.decide(Action.REQUEST_CHANGES, message="smaller, please")
    status = await desk.result()
    assert status.outcome is Outcome.AGENT_FAILED
    assert script.count("close_pull_request") == 1
    assert "exit code 3" in script.last("close_pull_request").reason


@pytest.mark.parametrize("by", ["update", "temporal"])
@pytest.mark.parametrize("stage", [Stage.RUN, Stage.REVIEW])
async def test_a_cancelled_task_gives_its_workspace_back_and_says_who_cancelled(
    temporal: Client, script: Script, signer: DecisionSigner, by: str, stage: Stage
) -> None:
    if stage is Stage.RUN:
        script.holds_run.clear()
    desk = await Desk.start(temporal, signer)
    await desk.reaches(stage)
    if by == "update":
        await desk.decide(Action.CANCEL, CAROL)
    else:
        await desk.handle.cancel()
    status = await desk.result()
    assert status.outcome is Outcome.CANCELLED
    assert ("carol" if by == "update" else "Temporal") in status.message
    assert script.count("prepare") == script.count("release")
    assert script.count("close_pull_request") == script.count("propose")
    assert script.last("record").kind == "outcome"


@pytest.mark.parametrize("by", ["update", "temporal"])
async def test_a_merge_under_way_is_finished_and_known_when_somebody_cancels(
    temporal: Client, script: Script, signer: DecisionSigner, by: str
) -> None:
    script.holds_merge.clear()
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    await script.entered_merge.wait()
    await (desk.decide(Action.CANCEL) if by == "update" else desk.handle.cancel())
    script.holds_merge.set()
    status = await desk.result()
    assert (status.outcome, status.merge_commit) == (Outcome.MERGED, sha("merge"))


async def test_a_task_that_people_say_too_much_about_is_still_shown_decided_and_put_on_record(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    longest = "\U0001f600" * 20_000
    for _ in range(4):
        await desk.decide(Action.APPROVE, message=longest)
        await desk.decide(Action.WITHDRAW, message=longest)
    await desk.decide(Action.APPROVE, message=longest)
    said = await refusal(asyncio.ensure_future(desk.decide(Action.WITHDRAW, message=longest)))
    assert "768 KiB were said" in said and "decide without words" in said
    await desk.decide(Action.WITHDRAW)
    await desk.decide(Action.REJECT)
    assert (await desk.result()).outcome is Outcome.REJECTED
    assert len(script.last("record").data["decisions"]) == 11


@pytest.mark.parametrize("outcome", [Outcome.MERGED, Outcome.FAILED])
async def test_an_outcome_is_put_on_record_although_somebody_cancels_in_temporal_meanwhile(
    temporal: Client, script: Script, signer: DecisionSigner, outcome: Outcome
) -> None:
    script.policy = script.policy.model_copy(
        update={"gate": script.policy.gate.model_copy(update={"watch_seconds": 60})}
    )
    script.holds_record.clear()
    script.prepare_error = "no such base" if outcome is Outcome.FAILED else ""
    desk = await Desk.start(temporal, signer)
    if outcome is Outcome.MERGED:
        await desk.reaches(Stage.REVIEW)
        await desk.decide(Action.APPROVE)
        await desk.decide(Action.MERGE)
    async with asyncio.timeout(30):
        while not script.count("record"):
            await asyncio.sleep(0.02)
    await desk.handle.cancel()
    await desk.status()
    script.holds_record.set()
    status = await desk.result()
    assert status.outcome is outcome and script.last("record").data["outcome"] == outcome
    if outcome is Outcome.MERGED:
        # Base is watched all the same: what policy merged, it has to be able to take back.
        watch = temporal.get_workflow_handle(watch_workflow_id(desk.task.id))
        assert (await watch.describe()).status is WorkflowExecutionStatus.RUNNING
        await watch.terminate()


@pytest.mark.parametrize(
    ("run", "patch", "outcome", "words"),
    [
        ({"end": RunEnd.EXITED, "exit_code": 3}, True, Outcome.AGENT_FAILED, "exit code 3"),
        ({"end": RunEnd.LOST, "detail": "its supervisor died"}, True, Outcome.AGENT_FAILED, "is kept"),
        ({"end": RunEnd.EXITED, "exit_code": 0, "succeeded": True}, False, Outcome.NO_CHANGES, "without changing"),
    ],
)
async def test_an_agent_that_fails_or_does_nothing_ends_the_task_and_keeps_what_there_is(
    temporal: Client,
    script: Script,
    signer: DecisionSigner,
    run: dict[str, object],
    patch: bool,
    outcome: Outcome,
    words: str,
) -> None:
    script.run = lambda order: RunResult.model_validate({"run_id": order.run_id} | run)
    script.exported = lambda order: ExportResult(patch=a_patch("head") if patch else None, empty=not patch)
    desk = await Desk.start(temporal, signer)
    status = await desk.result()
    assert status.outcome is outcome
    assert words in status.message
    assert (status.patch is not None) is patch
    assert script.count("release") == 1


async def test_a_refused_tree_is_told_to_the_agent_and_in_the_end_to_people(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.exported = lambda order: ExportResult(refused="nested repository at vendor/x")
    desk = await Desk.start(temporal, signer)
    status = await desk.result()
    assert script.last("gather_context").guidance == "nested repository at vendor/x"
    assert status.outcome is Outcome.FAILED
    assert "vendor/x" in status.message


async def test_work_of_an_unfinished_agent_that_could_not_be_taken_is_told_about(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.run = lambda order: RunResult(run_id=order.run_id, end=RunEnd.DISK, detail="reached its disk limit")
    script.exported = lambda order: ExportResult(refused="vendor/x is a repository of its own")
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.QUESTION)
    assert "4 GiB to disk; what it had done so far could not be taken: vendor/x" in status.message
    await desk.decide(Action.CANCEL)
    await desk.result()


async def test_a_repository_that_is_missing_ends_the_task_with_the_reason(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.prepare_error = "there is no repository at /nowhere"
    status = await (await Desk.start(temporal, signer)).result()
    assert status.outcome is Outcome.FAILED
    assert status.message == "there is no repository at /nowhere"
    assert script.last("record").data["outcome"] == "failed"


def base_moves_once(script: Script) -> None:
    def merge(order: object) -> MergeResult:
        if script.count("merge") == 1:
            return MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=sha("base-2"))
        return MergeResult(outcome=MergeOutcome.MERGED, commit=sha("merge"))

    script.merged = merge


async def test_an_approval_carries_over_to_a_moved_base_when_the_patch_is_the_same(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    base_moves_once(script)
    script.rebased = lambda order: RebaseResult(patch=a_patch("head-rebased", base="base-2"))
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    status = await desk.result()
    assert status.outcome is Outcome.MERGED
    assert script.count("evaluate") == 2
    assert script.last("merge").patch.head == sha("head-rebased")
    assert script.count("release") == 2


@pytest.mark.parametrize("why", ["patch differs", "new finding", "team says no", "conflict", "policy changed"])
async def test_an_approval_is_void_on_a_moved_base_when_anything_is_new(
    temporal: Client, script: Script, signer: DecisionSigner, why: str
) -> None:
    base_moves_once(script)
    script.policy = TaskPolicy(hash="p1", carry_over=why != "team says no")
    rebased = RebaseResult(patch=a_patch("head-2", base="base-2", diff="other" if why == "patch differs" else "diff"))
    script.rebased = lambda order: RebaseResult(conflicts=("calc.py",)) if why == "conflict" else rebased
    if why == "new finding":
        script.findings = lambda order: (NOTE,) if order.patch.base_commit == sha("base-2") else ()
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    if why == "policy changed":
        script.policy = TaskPolicy(hash="p2")
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    status = await desk.reaches(Stage.REVIEW, Stage.GUIDANCE)
    assert script.count("merge") == 1
    assert status.message
    assert status.stage is (Stage.GUIDANCE if why == "conflict" else Stage.REVIEW)
    await desk.decide(Action.REJECT)
    await desk.result()


async def test_a_refused_merge_goes_back_to_people_with_the_reason(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.merged = lambda order: (
        MergeResult(outcome=MergeOutcome.REFUSED, detail="commit or stash calc.py")
        if script.count("merge") == 1
        else MergeResult(outcome=MergeOutcome.MERGED, commit=sha("merge"))
    )
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    status = await desk.reaches(Stage.APPROVED)
    assert status.message == "commit or stash calc.py"
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_a_merge_that_git_never_takes_goes_back_to_people_in_git_s_words(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    def locked(order: object) -> MergeResult:
        raise ApplicationError("Unable to create 'refs/heads/main.lock': File exists.", next_retry_delay=SOON)

    script.merged = locked
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    await desk.reaches(Stage.MERGE)
    status = await desk.reaches(Stage.APPROVED)
    assert "main.lock': File exists" in status.message
    script.merged = lambda order: MergeResult(outcome=MergeOutcome.MERGED, commit=sha("merge"))
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_an_approved_patch_survives_a_base_it_can_t_be_laid_onto_for_now(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    def broken(order: object) -> RebaseResult:
        raise ApplicationError("the disk is full", non_retryable=True)

    base_moves_once(script)
    script.rebased = broken
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    await desk.reaches(Stage.MERGE)
    status = await desk.reaches(Stage.REVIEW)
    assert "the disk is full" in status.message
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)
    assert (await desk.result()).outcome is Outcome.MERGED


async def test_a_revert_that_git_never_takes_says_so_in_git_s_words(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    def locked(order: object) -> RevertResult:
        raise ApplicationError("Unable to create 'refs/heads/main.lock': File exists.", next_retry_delay=SOON)

    script.reverted = locked
    task = a_task()
    signed = signer.sign(
        Decision(
            action=Action.REVERT,
            person=BOB,
            task_id=task.id,
            decided_at=datetime.now(UTC),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
    )
    result = await temporal.execute_workflow(
        RevertMerge.run,
        RevertRequest(task=task, merge_commit=sha("merge"), signed=signed),
        id=revert_workflow_id(task.id),
        task_queue=queues.ORCHESTRATE,
    )
    assert result.outcome is RevertOutcome.REFUSED
    assert "main.lock': File exists" in result.detail
    assert script.last("record").data["result"]["outcome"] == "refused"


async def test_a_decision_after_the_end_is_refused(temporal: Client, script: Script, signer: DecisionSigner) -> None:
    desk = await Desk.start(temporal, signer)
    status = await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.REJECT)
    await desk.result()
    signed = desk.sign(Action.APPROVE, BOB, status, expires_at=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(Exception, match="already completed"):
        await desk.send(signed)
