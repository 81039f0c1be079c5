"""Taking merges back on the real path, as people type it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.repositories import commit_files, commit_to_bare, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workers.cli.client import CommandFailed
from workers.gateway.messages import Where
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


async def merged(here: Installation, repository: Path, agent: str = "mender", person: str = "ada") -> str:
    task = await here.ask(repository, agent, person)
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
    assert f"local:{repository}#2, on branch {revert_branch(task)}\n" in refused.error
    assert "\n  calc.py\n" in refused.error and "1 file was changed again since" in refused.error
    assert "it is for     ada, grace" in refused.error
    assert "<<<<<<<" in git(repository, "show", f"{revert_branch(task)}:calc.py")
    (conflict,) = (await here.view(task)).reverts
    assert (conflict.outcome, conflict.told) == (RevertOutcome.CONFLICT, ("ada", "grace"))
    shown = (await typed(here.settings.state, "show", task)).out
    assert f"local:{repository}#2 on branch {revert_branch(task)}, by one of ada, grace" in shown
    commit_files(repository, {"calc.py": FILES["calc.py"].replace("a - b", "a + b")}, "Back to plus")
    again = await typed(here.settings.state, "revert", task, "--as", "grace")
    assert (again.code, again.error) == (0, "")
    assert (repository / "calc.py").read_text() == FILES["calc.py"]
    shown = (await typed(here.settings.state, "show", task)).out
    assert "revert      reverted" in shown
    assert "would be" not in shown
    assert "resolve" not in shown


async def test_a_conflict_that_a_person_resolved_and_merged_is_shown_as_taken_back_and_as_nothing_to_resolve(
    here: Installation, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "shop.git", FILES, bare=True)
    task = await merged(here, repository)
    commit_to_bare(repository, {"calc.py": BY_SUM}, "Use sum")
    assert (await typed(here.settings.state, "revert", task, "--as", "grace")).code == 1
    resolved = commit_to_bare(repository, {"calc.py": BY_SUM}, "Resolve", branch=revert_branch(task))
    git(repository, "update-ref", "refs/heads/main", resolved)
    shown = (await typed(here.settings.state, "show", task)).out
    assert "revert      taken back: base is without it again" in shown
    assert "  resolve " not in shown and "revert      conflict" not in shown
    assert f"journeyman revert {task}" not in shown


async def test_an_incident_s_tasks_are_taken_back_together_the_newest_first_and_no_others(
    here: Installation, tmp_path: Path
) -> None:
    state = here.settings.state
    shops = [make_repository(tmp_path / name, FILES) for name in ("first", "second", "third", "other")]
    tasks = [await merged(here, shop, person="mallory") for shop in shops[:3]]
    other = await merged(here, shops[3], agent="listener", person="mallory")
    commit_files(shops[1], {"calc.py": BY_SUM}, "Use sum")
    where = ("revert", "--where", "requester=mallory", "--where", "agent=mender")
    preview = await typed(state, *where)
    assert (preview.code, "nothing was taken back yet" in preview.error) == (0, True), preview.error
    lines = preview.out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(reversed(tasks))
    assert ["would be clean" in line for line in lines] == [True, False, True]
    assert all("a + b" in (shop / "calc.py").read_text() for shop in (shops[0], shops[2]))
    done = await typed(state, *where, "--yes", "-m", "they were all wrong", "--as", "grace")
    assert done.code == 1
    assert "1 of 3 could not be taken back" in done.error
    assert all("a - b" in (shop / "calc.py").read_text() for shop in (shops[0], shops[2]))
    assert "a + b" in (shops[3] / "calc.py").read_text()
    assert "Reverted-by: grace" in git(shops[0], "log", "-1", "--format=%B", "main")
    commit_files(shops[1], {"calc.py": FILES["calc.py"].replace("a - b", "a + b")}, "Back to plus")
    again = await typed(state, *where, "--yes", "--json", "--as", "grace")
    assert again.code == 0, again.error
    assert [(one["task_id"], one["result"]["outcome"]) for one in json.loads(again.out)] == [(tasks[1], "reverted")]
    assert (await here.view(other)).reverts == ()
    nobodys = await typed(state, *where, "--where", "merged-by=policy", "--yes", "--as", "grace")
    assert (nobodys.code, "so nothing was taken back" in nobodys.error) == (1, True)
    people_s = await typed(state, *where, "--where", "merged-by=person")
    assert [line.split()[0] for line in people_s.out.splitlines()[1:]] == list(reversed(tasks))


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("agnet=mender", "--where takes KEY=VALUE with one of agent, "),
        ("agent=", "--where takes KEY=VALUE"),
        ("since=2026-01-01T00:00", "--where since takes a time with its zone, such as"),
        ("since=yesterday", "--where since takes a time with its zone, such as"),
        ("merged-by=grace", "--where merged-by takes `policy` or `person`"),
    ],
)
async def test_a_mistake_in_where_takes_back_nothing(here: Installation, stated: str, said: str) -> None:
    mistaken = await typed(here.settings.state, "revert", "--where", stated, "--yes")
    assert mistaken.code == 2
    assert said in mistaken.error


async def test_a_gateway_that_is_asked_for_all_tasks_says_to_narrow_it_down(here: Installation) -> None:
    with pytest.raises(CommandFailed, match="say which merged tasks"):
        await asyncio.to_thread(here.gateway("grace").merged, Where())
