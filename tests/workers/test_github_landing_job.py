"""Where base is guarded on GitHub: all that is missing is said at once, and its merge queue lands what was approved."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.github.conforming import conforming_github
from tests.support.github.faults import Trouble
from tests.support.github.protection import Protection
from tests.support.github.stand_in import GitHub, InstalledApp
from tests.support.github.state import Pull
from tests.workers.installation import FILES, Installation
from tests.workers.on_github import installed_on_github, merged, proposed
from tests.workers.terminal import typed
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("github-landing")


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def both(place: Path, github: GitHub) -> AsyncIterator[tuple[Installation, InstalledApp]]:
    async with installed_on_github(place, github) as made:
        yield made


@pytest.fixture
def here(both: tuple[Installation, InstalledApp]) -> Installation:
    return both[0]


@pytest.mark.parametrize("ruleset", [True, False], ids=["ruleset", "branch protection"])
async def test_all_that_protection_lacks_is_said_at_once(here: Installation, github: GitHub, ruleset: bool) -> None:
    name = f"acme/lacking-{ruleset}".lower()
    github.repository(name, FILES)
    demanded: dict[str, int | None] = dict.fromkeys(("unit", "lint", "docs", "journeyman/gate"))
    github.protect(name, Protection(checks=demanded, approvals=2, ruleset=ruleset))
    for person in ("linus", "margaret"):
        github.person(person, **{name: "write"})
    view = await proposed(here, name)
    task = view.status.task.id
    assert view.status.pull_request is not None and view.status.patch is not None
    github.check(name, view.status.patch.head, "lint", "failure")
    github.check(name, view.status.patch.head, "docs", None)
    github.review(name, view.status.pull_request.number, "linus")
    github.review(name, view.status.pull_request.number, "margaret", "REQUEST_CHANGES")
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    message = (await here.reaches(task, Stage.APPROVED)).status.message
    for missing in (
        "'unit' has not been reported",
        "'lint' fails",
        "'docs' is not done",
        "1 of 2 approving reviews on GitHub",
        "margaret requested changes on GitHub",
    ):
        assert missing in message
    assert "journeyman/gate" not in message
    await here.decide(task, Action.REJECT)


async def test_where_what_is_missing_can_not_be_read_github_s_own_words_are_told(
    here: Installation, github: GitHub
) -> None:
    github.repository("acme/terse", FILES)
    github.protect("acme/terse", Protection(approvals=1))
    github.fault(Trouble.BAD_GATEWAY, "GET /repos/{owner}/{repo}/rules/branches/{branch}")
    view = await merged(here, "acme/terse")
    assert "At least 1 approving review is required" in view.status.message
    await here.decide(view.status.task.id, Action.REJECT)


async def enqueued(here: Installation, github: GitHub, name: str) -> tuple[str, Pull]:
    github.repository(name, FILES)
    github.protect(name, Protection(queue=True, checks={"journeyman/gate": None}, ruleset=True))
    view = await proposed(here, name)
    task = view.status.task.id
    assert view.status.pull_request is not None
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    async with asyncio.timeout(30):
        while "in the merge queue of main" not in (await here.view(task)).status.message:
            await asyncio.sleep(0.05)
    pull = github.pull(name, view.status.pull_request.number)
    assert pull.queued is not None
    return task, pull


async def told(here: Installation, task: str) -> None:
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    await client.get_workflow_handle(task_workflow_id(task)).signal("observed")


async def test_a_merge_queue_lands_what_was_approved(here: Installation, github: GitHub) -> None:
    task, pull = await enqueued(here, github, "acme/queued")
    # Others land before it: the queue decides onto what it is merged.
    github.commit("acme/queued", "main", {"other.py": "x = 1\n"})
    assert github.land_next("acme/queued") is pull
    await told(here, task)
    view = await here.reaches(task, Stage.ENDED, Stage.APPROVED)
    assert view.status.outcome is Outcome.MERGED, view.status.message
    assert view.status.merge_commit == github.repositories["acme/queued"].git.branch("main")


async def test_what_the_queue_puts_out_is_not_put_there_again_behind_everybody_s_back(
    here: Installation, github: GitHub
) -> None:
    task, pull = await enqueued(here, github, "acme/put-out")
    pull.queued = None
    await told(here, task)
    view = await here.reaches(task, Stage.APPROVED)
    assert "the merge queue of main put it out without merging it" in view.status.message
    assert pull.queued is None
    await here.decide(task, Action.REJECT)


async def test_what_waits_in_the_queue_when_work_is_halted_is_taken_out_of_it(
    here: Installation, github: GitHub
) -> None:
    task, pull = await enqueued(here, github, "acme/stopped")
    which = ("--repo", "github:acme/stopped", "--as", "ada")
    assert (await typed(here.settings.state, "halt", *which, "-m", "stop")).code == 0
    await told(here, task)
    view = await here.reaches(task, Stage.APPROVED)
    assert "not merged: halted" in view.status.message
    assert (pull.queued, pull.merged) == (None, None)
    assert (await typed(here.settings.state, "resume", *which)).code == 0
    await here.decide(task, Action.REJECT)
