"""Base turns red after a merge, on the real path: policy takes back what it merged, people are told of the rest."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import Typed, typed
from workers.gateway.messages import TaskView
from workers.temporal import connect
from workflows import queues
from workflows.models.decision import Action
from workflows.models.intent import revert_workflow_id
from workflows.models.pull_request import RevertOutcome
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
