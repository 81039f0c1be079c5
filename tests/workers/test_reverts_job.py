"""Taking merges back on the real path, as people type it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.repositories import commit_files, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workflows.models.decision import Action
from workflows.models.intent import revert_branch
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("reverts")
BY_SUM = FILES["calc.py"].replace("a - b", "sum((a, b))")


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    async with installed(place) as one:
        yield one


async def merged(here: Installation, repository: Path) -> str:
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.REVIEW)
    await here.decide(task, Action.APPROVE, "grace")
    await here.decide(task, Action.MERGE, "grace")
    view = await here.reaches(task, Stage.ENDED)
    assert view.status.outcome is Outcome.MERGED
    return task


async def test_a_conflict_is_handed_to_people_with_what_is_in_the_way_and_mended_it_is_taken_back(
    here: Installation, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "shop", FILES)
    task = await merged(here, repository)
    assert "revert      would be clean" in (await typed(here.settings.state, "show", task)).out
    commit_files(repository, {"calc.py": BY_SUM}, "Use sum")
    shown = (await typed(here.settings.state, "show", task)).out
    assert "revert      conflicts in calc.py with " in shown
    assert "Ada: Use sum" in shown
    refused = await typed(here.settings.state, "revert", task, "--as", "grace")
    assert refused.code == 1
    assert "Ada: Use sum" in refused.error
    assert f"local:{repository}#2" in refused.error
    assert "it is for     ada, grace" in refused.error
    assert "<<<<<<<" in git(repository, "show", f"{revert_branch(task)}:calc.py")
    (conflict,) = (await here.view(task)).reverts
    assert (conflict.outcome, conflict.told) == (RevertOutcome.CONFLICT, ("ada", "grace"))
    assert f"local:{repository}#2, by one of ada, grace" in (await typed(here.settings.state, "show", task)).out
    commit_files(repository, {"calc.py": FILES["calc.py"].replace("a - b", "a + b")}, "Back to plus")
    again = await typed(here.settings.state, "revert", task, "--as", "grace")
    assert (again.code, again.error) == (0, "")
    assert (repository / "calc.py").read_text() == FILES["calc.py"]
    shown = (await typed(here.settings.state, "show", task)).out
    assert "revert      reverted" in shown
    assert "would be" not in shown
