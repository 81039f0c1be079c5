"""Whoever reaches Temporal's port alone merges nothing, reverts nothing, and puts nothing on record that counts."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.intruder import Intruder
from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Installation, installed
from workers.cli.client import CommandFailed
from workers.sweeping import sweep
from workers.temporal import connect
from workflows import queues
from workflows.models.decision import Action, SignedDecision
from workflows.models.intent import revert_workflow_id, task_workflow_id
from workflows.models.person import Person
from workflows.models.pull_request import MergeResult, RevertOutcome
from workflows.models.run import host_queue
from workflows.models.status import Outcome, RevertRequest, Stage, TaskOrder, TaskStatus
from workflows.models.task import Repository, Task

pytestmark = pytest.mark.xdist_group("intruder")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    async with installed(place) as installation:
        yield installation


@pytest_asyncio.fixture(scope="module")
async def intruder(here: Installation) -> Intruder:
    return Intruder(await connect(here.settings.temporal_address, here.settings.temporal_namespace))


class Reviewed:
    """A task that waits for its merge, with the decisions of a real reviewer, as its workflow shows them to anybody."""

    def __init__(self, status: TaskStatus, repository: Path) -> None:
        self.status = status
        self.repository = repository

    def decision(self, action: Action) -> SignedDecision:
        return next(signed for signed in self.status.decisions if signed.decision.action is action)

    def merge_order(self, **changes: Any) -> dict[str, Any]:
        approval = self.decision(Action.APPROVE).model_dump(mode="json")
        shown = self.status.model_dump(mode="json")
        order = {name: shown[name] for name in ("task", "pull_request", "patch", "evaluation")}
        return order | {"approval": approval, "merge": approval} | changes

    def tip(self) -> str:
        return git(self.repository, "rev-parse", "main")


@pytest_asyncio.fixture(scope="module")
async def reviewed(here: Installation, place: Path) -> Reviewed:
    repository = make_repository(place / "till.git", FILES, bare=True)
    task = await here.ask(repository, "mender")
    await here.settles(task)
    await here.decide(task, Action.APPROVE)
    return Reviewed((await here.reaches(task, Stage.APPROVED)).status, repository)


@pytest_asyncio.fixture(scope="module")
async def merged(here: Installation, place: Path) -> Reviewed:
    repository = make_repository(place / "merged.git", FILES, bare=True)
    task = await here.ask(repository, "mender")
    await here.settles(task)
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    return Reviewed((await here.reaches(task, Stage.ENDED)).status, repository)


def place_holder_patch() -> dict[str, Any]:
    blob = {"sha256": "0" * 64, "size": 0}
    return {"base_commit": "b", "tree": "t", "head": "h", "bundle": blob, "diff": blob, "diff_sha256": "d"}


def changed(document: Any, path: str, value: Any) -> Any:
    """A deep copy of a JSON document with one value changed."""
    name, _, rest = path.partition(".")
    return document | {name: changed(document[name], rest, value) if rest else value}


async def test_a_merge_of_another_tree_repository_base_or_requester_is_refused(
    here: Installation, intruder: Intruder, merged: Reviewed, place: Path
) -> None:
    other = make_repository(place / "other.git", FILES, bare=True)
    evil = git(merged.repository, "mktree", stdin=b"")
    order = merged.merge_order(merge=merged.decision(Action.MERGE).model_dump(mode="json"))
    before = merged.tip()
    for path, value in (
        ("patch.tree", evil),
        ("patch.head", before),
        ("patch.base_commit", before),
        ("task.repository.url", str(other)),
        ("task.base", "release"),
        ("task.intent.requester.id", "somebody-else"),
    ):
        result = MergeResult.model_validate(await intruder.tries("merge", changed(order, path, value)))
        assert result.detail.startswith("refused: "), path
    assert merged.tip() == before
    assert git(other, "log", "--format=%s", "main") == "change"


async def test_an_approval_is_no_decision_to_merge_or_to_revert(
    here: Installation, intruder: Intruder, reviewed: Reviewed, merged: Reviewed
) -> None:
    before = reviewed.tip(), merged.tip()
    result = await intruder.tries("merge", reviewed.merge_order())
    assert "a decision to approve was given as merge" in result["detail"]
    approval = merged.decision(Action.APPROVE).model_dump(mode="json")
    revert = {
        "task": merged.status.task.model_dump(mode="json"),
        "merge_commit": merged.status.merge_commit,
        "signed": approval,
        "requested_at": 0,
    }
    assert "a decision to approve was given as revert" in (await intruder.tries("revert", revert))["detail"]
    assert (reviewed.tip(), merged.tip()) == before


async def test_nothing_that_a_merge_rests_on_can_be_recorded(
    here: Installation, intruder: Intruder, reviewed: Reviewed
) -> None:
    task = reviewed.status.task.id
    before = await here.parts.shared.chains.entries(task)
    for kind in ("evidence", "admission", "patch", "merge", "decision"):
        entry: dict[str, Any] = {"task_id": task, "entry_id": f"forged-{kind}", "kind": kind, "data": {}}
        assert "no workflow may put" in await intruder.tries("record", entry)
    outcome: dict[str, Any] = {"task_id": task, "entry_id": "outcome", "kind": "outcome"}
    ended = reviewed.status.model_copy(update={"outcome": Outcome.MERGED, "merge_commit": reviewed.tip()})
    outcome["data"] = ended.model_dump(mode="json")
    assert "this step is for task/" in await intruder.tries("record", outcome)
    astray = changed(outcome, "data.task.id", "../x") | {"task_id": "../x"}
    assert "no task id" in await intruder.tries("record", astray, under="task/../x")
    assert await here.parts.shared.chains.entries(task) == before


async def test_a_task_that_no_gateway_admitted_reaches_no_workspace_and_no_repository(
    here: Installation, intruder: Intruder, reviewed: Reviewed, place: Path
) -> None:
    victim = make_repository(place / "victim.git", FILES, bare=True)
    refs = git(victim, "for-each-ref")
    forged = reviewed.status.task.model_copy(
        update={"id": "forged", "repository": Repository(url=str(victim), name="victim")}
    )
    order: dict[str, Any] = {"task": forged.model_dump(mode="json"), "epoch": 1}
    assert "no gateway has admitted" in await intruder.tries(
        "prepare", order, queue=queues.SANDBOX, under="task/forged"
    )
    propose = reviewed.merge_order(task=order["task"]) | {
        "run": reviewed.status.run.model_dump(mode="json") if reviewed.status.run else None,
        "context": reviewed.status.context.model_dump(mode="json") if reviewed.status.context else None,
    }
    assert "no gateway has admitted" in await intruder.tries("propose", propose, under="task/forged")
    assert "no gateway has admitted" in await intruder.tries("rebase", propose)
    close = {"task": order["task"], "pull_request": propose["pull_request"]}
    assert "no gateway has admitted" in await intruder.tries("close_pull_request", close, under="task/forged")
    assert git(victim, "for-each-ref") == refs
    assert here.parts.placements.find("forged") is None


async def test_an_agent_is_not_run_and_judged_under_a_policy_of_the_orders_own(
    here: Installation, intruder: Intruder, place: Path
) -> None:
    repository = make_repository(place / "sleeping.git", FILES, bare=True)
    task = await here.ask(repository, "sleeper")
    status = (await here.reaches(task, Stage.RUN)).status
    assert status.placement is not None
    assert status.context is not None
    prepared = {
        "placement": status.placement.model_dump(mode="json"),
        "base_commit": git(repository, "rev-parse", "main"),
        "start_tree": "t",
        "policy": {"hash": "p", "allow_self_approval": True, "egress_hosts": ["evil.example"]},
        "agent": "mender",
    }
    run = {"run_id": f"{task}-1-9", "task": status.task.model_dump(mode="json"), "prepared": prepared}
    run["context"] = status.context.model_dump(mode="json")
    host = host_queue(here.parts.host)
    assert "this step is for task/" in await intruder.tries("run_agent", run, queue=host)
    release = {"task_id": task, "placement": prepared["placement"]}
    assert "this step is for task/" in await intruder.tries("release", release, queue=host)
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    await client.get_workflow_handle(task_workflow_id(task)).terminate()
    for name in ("run_agent", "export_patch", "evaluate"):
        order = run | {"patch": place_holder_patch(), "run": {"run_id": run["run_id"], "end": "exited"}}
        refusal = await intruder.tries(name, order, queue=host, under=task_workflow_id(task))
        assert "has not prepared" in refusal, refusal
    assert await sweep(client, here.parts) == [task]


async def test_a_workflow_put_in_a_tasks_place_cannot_show_a_reviewer_another_patch(
    here: Installation, intruder: Intruder, reviewed: Reviewed, place: Path
) -> None:
    repository = make_repository(place / "shown.git", FILES, bare=True)
    task = await here.ask(repository, "mender")
    shown = (await here.settles(task)).status
    assert shown.patch is not None
    assert reviewed.status.patch is not None
    async with intruder.in_place_of(task_workflow_id(task), shown.model_copy(update={"patch": reviewed.status.patch})):
        with pytest.raises(CommandFailed, match="no worker has made"):
            await here.diff(task)
        with pytest.raises(CommandFailed, match="not what was judged last"):
            await here.decide(task, Action.APPROVE)


async def test_a_workflow_that_was_started_beside_the_gateway_ends_refused(
    here: Installation, intruder: Intruder, reviewed: Reviewed
) -> None:
    forged: Task = reviewed.status.task.model_copy(
        update={"id": "beside", "intent": reviewed.status.task.intent.model_copy(update={"requester": Person(id="x")})}
    )
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    status: TaskStatus = await client.execute_workflow(
        "AgentTask",
        TaskOrder(task=forged),
        id=task_workflow_id("beside"),
        task_queue=queues.ORCHESTRATE,
        result_type=TaskStatus,
    )
    assert status.outcome is Outcome.FAILED
    assert "no gateway has admitted" in status.message


async def test_a_workflow_whose_id_would_act_on_a_terminal_is_no_task(here: Installation) -> None:
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    handle = await client.start_workflow("AgentTask", id="task/\x1b[2J[red]zz", task_queue="nowhere")
    async with asyncio.timeout(30):
        while not [found async for found in client.list_workflows(f"WorkflowId = '{handle.id}'")]:
            await asyncio.sleep(0.05)
    lines = await asyncio.to_thread(here.gateway("ada").tasks)
    assert all(line.task_id.isalnum() for line in lines)
    await handle.terminate()


async def test_a_body_that_comes_in_chunks_is_bounded_too(here: Installation) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    def post() -> httpx.Response:
        transport = httpx.HTTPTransport(uds=str(here.settings.gateway_socket))
        with httpx.Client(transport=transport, base_url="http://gateway") as client:
            return client.post("/tasks", content=chunks(), headers={"content-type": "application/json"})

    assert (await asyncio.to_thread(post)).status_code == 413


async def test_other_users_of_the_machine_can_read_no_file_of_the_installation(here: Installation) -> None:
    state = here.settings.state
    closed = [path for path in state.iterdir() if path.is_file()] + [state / "keys", state / "archive", state / "forge"]
    assert {path.name for path in closed} >= {"host-id", "journeyman.toml", "keys"}
    assert [path.name for path in closed if path.stat().st_mode & 0o007] == []


async def test_what_was_approved_and_then_rejected_is_merged_by_nobody(
    here: Installation, intruder: Intruder, place: Path
) -> None:
    """A merge that was decided and did not land leaves decisions behind, which anybody can read."""
    repository = make_repository(place / "dirty", FILES)
    task = await here.ask(repository, "mender")
    await here.settles(task)
    await here.decide(task, Action.APPROVE)
    (repository / "calc.py").write_text("# in the middle of something\n")
    await here.decide(task, Action.MERGE)
    shown = (await here.reaches(task, Stage.APPROVED)).status
    assert "would be lost" in shown.message
    here_before = Reviewed(shown, repository)
    order = here_before.merge_order(merge=here_before.decision(Action.MERGE).model_dump(mode="json"))
    propose = {name: shown.model_dump(mode="json")[name] for name in ("task", "patch", "evaluation", "run", "context")}
    tip = here_before.tip()
    git(repository, "checkout", "--", "calc.py")
    assert "answered already" in (await intruder.tries("merge", order))["detail"]
    await here.decide(task, Action.REJECT, person="bob", message="never merge this")
    await here.reaches(task, Stage.ENDED)
    for under in ("", task_workflow_id(task)):
        assert "refused: " in str(await intruder.tries("propose", propose, under=under))
        assert "refused: " in (await intruder.tries("merge", order, under=under))["detail"]
    assert here_before.tip() == tip


async def test_a_revert_that_was_refused_is_not_carried_out_later(
    here: Installation, intruder: Intruder, place: Path
) -> None:
    repository = make_repository(place / "reverted", FILES)
    task = await here.ask(repository, "mender")
    await here.settles(task)
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    merged = (await here.reaches(task, Stage.ENDED)).status
    (repository / "calc.py").write_text("# in the middle of something\n")
    assert (await here.revert(task)).outcome is RevertOutcome.REFUSED
    git(repository, "checkout", "--", "calc.py")
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    history = await client.get_workflow_handle(revert_workflow_id(task)).fetch_history()
    started = history.events[0].workflow_execution_started_event_attributes.input
    (request,) = await client.data_converter.decode(started.payloads, [RevertRequest])
    order = {
        "task": merged.task.model_dump(mode="json"),
        "merge_commit": merged.merge_commit,
        "signed": request.signed.model_dump(mode="json"),
        "requested_at": 0,
    }
    assert "answered already" in (await intruder.tries("revert", order))["detail"]
    assert "a + b" in git(repository, "show", "main:calc.py")
    assert (await here.revert(task)).outcome is RevertOutcome.REVERTED


async def test_owners_who_tighten_their_files_are_heard_by_tasks_that_wait(here: Installation, place: Path) -> None:
    repository = make_repository(place / "tightened.git", FILES, bare=True)
    security = here.settings.security_file
    task = await here.ask(repository, "mender")
    await here.settles(task)
    try:
        security.write_text('approve = ["bob"]\n')
        with pytest.raises(CommandFailed, match="ask one of bob"):
            await here.decide(task, Action.APPROVE)
        security.write_text("")
        await here.decide(task, Action.APPROVE)
        security.write_text('forbidden = ["calc.py"]\n')
        await here.decide(task, Action.MERGE)
        view = await here.reaches(task, Stage.GUIDANCE, Stage.ENDED)
        assert view.status.stage is Stage.GUIDANCE, view.status.message
        assert "the policy has changed" in view.status.message
        assert "a - b" in git(repository, "show", "main:calc.py")
        await here.decide(task, Action.REJECT)
    finally:
        security.write_text("")
