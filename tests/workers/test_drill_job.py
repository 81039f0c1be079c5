"""Reverts are tried before they are needed: in the canary, by the real forge and the way that takes merges back."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.archive.chains import Chains
from activities.decisions.trust import FOLDER as TRUST
from tests.support.repositories import commit_files, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workers.temporal import connect
from workflows import queues
from workflows.models.decision import Action
from workflows.models.drill import DRILL_WORKFLOW_ID, DrillResult
from workflows.models.intent import revert_workflow_id
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import RevertRequest, Stage
from workflows.revert_merge import RevertMerge

pytestmark = pytest.mark.xdist_group("drill")
MARKED = FILES | {".journeyman/canary": "for drills alone\n"}


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    make_repository(place / "canary", MARKED)
    async with installed(place, configuration=f'drill = {{ repository = "{place / "canary"}" }}') as one:
        yield one


async def drilled(here: Installation, *more: str, code: int = 0) -> DrillResult:
    said = await typed(here.settings.state, "drill", "--json", *more, "--as", "ada")
    assert said.code == code, said.error
    return DrillResult.model_validate(json.loads(said.out))


async def test_a_drill_restores_base_in_time_and_costs_no_trust(here: Installation, place: Path) -> None:
    before = git(place / "canary", "rev-parse", "main^{tree}")
    result = await drilled(here)
    assert result.revert is not None
    assert (result.revert.outcome, result.asked_by) == (RevertOutcome.REVERTED, "ada")
    assert 0 < result.revert.seconds < 60
    messages = git(place / "canary", "log", "-3", "--first-parent", "--format=%s", "main").splitlines()
    assert messages[:2] == [f"Revert task {result.drill_id}: Drill {result.drill_id}", f"Merge drill {result.drill_id}"]
    assert git(place / "canary", "rev-parse", "main^{tree}") == before
    assert "drill-" not in git(place / "canary", "branch", "--list")
    assert await Chains(here.parts.shared.objects, TRUST).task_ids() == ()
    last = await typed(here.settings.state, "drill", "--last")
    assert result.drill_id in last.out
    assert "base was restored" in last.out
    assert "revert drill" in (told := (await typed(here.settings.state, "doctor")).out)
    assert f"base was restored {result.revert.seconds:.1f} s" in told


async def test_later_commits_stay(here: Installation, place: Path) -> None:
    commit_files(place / "canary", {"later.txt": "x\n"}, "Later")
    await drilled(here)
    assert git(place / "canary", "show", "main:later.txt") == "x"


async def test_while_work_is_halted_nothing_is_merged_and_that_is_told(here: Installation, place: Path) -> None:
    before = git(place / "canary", "rev-parse", "main")
    await typed(here.settings.state, "halt", "--all", "-m", "an incident")
    try:
        result = await drilled(here, code=1)
    finally:
        await typed(here.settings.state, "resume", "--all")
    assert "an incident" in result.detail
    assert git(place / "canary", "rev-parse", "main") == before


async def test_what_is_no_canary_is_not_changed(here: Installation, place: Path) -> None:
    canary = place / "canary"
    git(canary, "rm", "-q", ".journeyman/canary")
    git(canary, "commit", "-qm", "No canary any more")
    before = git(canary, "rev-parse", "main")
    try:
        result = await drilled(here, code=1)
        assert ".journeyman/canary" in result.detail
        assert git(canary, "rev-parse", "main") == before
        failed = await typed(here.settings.state, "doctor")
        assert failed.code == 1
        assert ".journeyman/canary" in failed.out
    finally:
        commit_files(canary, {".journeyman/canary": "again\n"}, "A canary again")


async def test_a_drill_takes_back_nothing_but_its_own_merge(here: Installation, tmp_path: Path) -> None:
    """Whoever reaches Temporal can start a revert as a drill's; it has to name what a drill has merged."""
    repository = make_repository(tmp_path / "shop", FILES)
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.REVIEW)
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    status = (await here.reaches(task, Stage.ENDED)).status
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    request = RevertRequest(
        task=status.task, merge_commit=status.merge_commit, requested_at=status.spans[0].started, is_drill=True
    )
    result = await client.execute_workflow(
        RevertMerge.run, request, id=revert_workflow_id(task), task_queue=queues.ORCHESTRATE
    )
    assert result.outcome is RevertOutcome.REFUSED
    assert "return a + b" in (repository / "calc.py").read_text()


async def test_workers_make_drills_by_themselves(here: Installation) -> None:
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    schedule = await client.get_schedule_handle(DRILL_WORKFLOW_ID).describe()
    (every,) = schedule.schedule.spec.intervals
    assert every.every.total_seconds() == 24 * 3600
    before = await drilled(here)
    await client.get_schedule_handle(DRILL_WORKFLOW_ID).trigger()
    async with asyncio.timeout(60):
        while (after := await drilled(here, "--last")).drill_id == before.drill_id:
            pass
    assert (after.asked_by, after.restored) == ("schedule", True)


async def test_without_a_canary_the_command_says_what_to_write(state: Path) -> None:
    async with installed(state) as one:
        said = await typed(one.settings.state, "drill")
        assert said.code == 2
        assert "[drill]" in said.error
        assert "no canary repository is named" in (await typed(one.settings.state, "doctor")).out
