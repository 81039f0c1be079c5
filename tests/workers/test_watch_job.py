"""Base turns red after a merge, on the real path: policy takes back what it merged, people are told of the rest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.service import RPCError

from tests.support.repositories import commit_to_bare, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import Typed, typed
from workers.gateway.messages import TaskView
from workers.temporal import connect
from workflows import queues
from workflows.models.decision import Action
from workflows.models.intent import revert_workflow_id, watch_workflow_id
from workflows.models.pull_request import RevertOutcome, RevertOutlook
from workflows.models.status import Outcome, RevertRequest, Stage
from workflows.models.watch import WatchOutcome
from workflows.revert_merge import RevertMerge

pytestmark = pytest.mark.xdist_group("watch")
TEAM = '[task_types.test-fix]\nscope = ["calc.py"]\n'


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    (place / "security.toml").write_text('promote = ["grace"]\n')
    async with installed(place) as one:
        yield one


async def report(here: Installation, repository: Path, state: str, commit: str, name: str = "ci") -> Typed:
    said = ("--name", name, "-m", "3 tests fail", "--as", "ci")
    return await typed(here.settings.state, "signal", state, "--repo", str(repository), "--commit", commit, *said)


async def merged(here: Installation, tmp_path: Path, *, by_policy: bool) -> tuple[Path, str, str]:
    repository = make_repository(tmp_path / "shop", FILES | {".journeyman/team.toml": TEAM})
    for _ in range(2 if by_policy else 0):
        why = ("-m", "10 merged", "--as", "grace")
        await typed(here.settings.state, "promote", "test-fix", "--repo", str(repository), *why)
    task = await here.ask(repository, "mender", task_type="test-fix", acceptance=("add(2, 3) is 5",))
    if not by_policy:
        await here.reaches(task, Stage.REVIEW)
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.MERGE)
    view = await here.reaches(task, Stage.ENDED)
    assert view.status.outcome is Outcome.MERGED
    return repository, task, view.status.merge_commit


async def test_a_signal_about_a_commit_that_was_never_pushed_is_refused(here: Installation, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "shop", FILES)
    refused = await report(here, repository, "bad", "0123456789" * 4)
    assert refused.code == 2
    assert "has no commit 012345678901" in refused.error


async def watched(here: Installation, task: str) -> TaskView:
    async with asyncio.timeout(90):
        while (view := await here.view(task)).watch is None:
            await asyncio.sleep(0.1)
    return view


async def test_policy_takes_back_what_it_merged_when_base_turns_red(here: Installation, tmp_path: Path) -> None:
    repository, task, commit = await merged(here, tmp_path, by_policy=True)
    assert (await report(here, repository, "good", f"{commit}")).code == 0
    assert (await report(here, repository, "bad", commit, "error-rate")).code == 0
    view = await watched(here, task)
    assert view.watch is not None
    assert view.watch.outcome is WatchOutcome.REVERTED
    assert [revert.outcome for revert in view.reverts] == [RevertOutcome.REVERTED]
    assert "return a - b" in (repository / "calc.py").read_text()
    message = git(repository, "log", "-1", "--format=%B", "main")
    assert "Reverted-by: policy" in message
    assert "error-rate turned bad" in message
    trusted = await typed(here.settings.state, "trust", "--repo", str(repository))
    (row,) = (line for line in trusted.out.splitlines() if line.startswith("test-fix"))
    assert row.split()[1] == "1"
    assert "base        reverted: error-rate turned bad" in (await typed(here.settings.state, "show", task)).out


async def knows(here: Installation, task: str, said: str) -> None:
    """The page of the watch in Temporal's UI says so."""
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    watch = client.get_workflow_handle(watch_workflow_id(task))
    async with asyncio.timeout(60):
        while True:
            # A task that has ended begins its watch with its last step.
            with contextlib.suppress(RPCError):
                told: WorkflowMetadata = await watch.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
                if said in told.current_details:
                    return
            await asyncio.sleep(0.1)


async def test_a_revert_that_conflicts_is_known_beforehand_and_left_to_people_with_a_pull_request(
    here: Installation, tmp_path: Path
) -> None:
    repository, task, commit = await merged(here, tmp_path, by_policy=True)
    await knows(here, task, "taking the merge back: **clean**")
    # Where it can't be tried any more, what it came to then is still known.
    away = repository.rename(tmp_path / "away")
    shown = (await typed(here.settings.state, "show", task)).out
    assert "would be clean when it was tried at" in shown, shown
    away.rename(repository)
    git(repository, "checkout", "-q", "--detach")
    commit_to_bare(repository, {"calc.py": "def add(a, b):\n    return sum((a, b))\n"}, "Use sum")
    later = git(repository, "rev-parse", "main").strip()
    await report(here, repository, "good", later, "error-rate")
    await knows(here, task, "**conflict** in `calc.py`")
    await report(here, repository, "bad", commit)
    view = await watched(here, task)
    assert view.watch is not None and view.watch.outlook is not None and view.watch.revert is not None
    assert (view.watch.outcome, view.watch.outlook.outlook) == (WatchOutcome.STUCK, RevertOutlook.CONFLICT)
    assert view.watch.outlook.base_commit == later == git(repository, "rev-parse", "main").strip()
    assert "<<<<<<<" in git(repository, "show", f"journeyman/revert-{task}:calc.py")
    assert view.watch.revert.pull_request
    assert view.watch.revert.told == ("ada",)
    # That it could not be taken back makes nothing of it more trusted.
    assert (await here.parts.shared.trust.of(str(repository), "test-fix")).phase == 1


async def test_what_a_person_merged_is_told_to_be_bad_and_stays(here: Installation, tmp_path: Path) -> None:
    repository, task, commit = await merged(here, tmp_path, by_policy=False)
    await report(here, repository, "bad", commit)
    view = await watched(here, task)
    assert view.watch is not None
    assert (view.watch.outcome, view.reverts) == (WatchOutcome.RED, ())
    assert "return a + b" in (repository / "calc.py").read_text()


@pytest.mark.parametrize(
    ("by_policy", "why"), [(False, "a person takes it back"), (True, "nothing on record says that base turned red")]
)
async def test_who_reaches_temporal_alone_takes_nothing_back_in_the_name_of_policy(
    here: Installation, tmp_path: Path, by_policy: bool, why: str
) -> None:
    repository, task, commit = await merged(here, tmp_path, by_policy=by_policy)
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    request = RevertRequest(
        task=(await here.view(task)).status.task, merge_commit=commit, requested_at=datetime.now(UTC)
    )
    found = await client.execute_workflow(
        RevertMerge.run, request, id=revert_workflow_id(task), task_queue=queues.ORCHESTRATE
    )
    assert (found.outcome, why in found.detail) == (RevertOutcome.REFUSED, True), found.detail
    assert "return a + b" in (repository / "calc.py").read_text()


async def test_a_commit_that_is_no_hash_is_refused_in_words(here: Installation, tmp_path: Path) -> None:
    refused = await report(here, tmp_path, "bad", "HEAD")
    assert refused.code == 2, refused.error
    assert refused.error.startswith("journeyman: --commit takes a commit in full")
