"""A base that demands a review gets one from an App of its own, about exactly what is approved and while it is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from github import GithubException

from tests.support.github.clients import with_token
from tests.support.github.conforming import conforming_github
from tests.support.github.faults import Trouble
from tests.support.github.protection import Protection
from tests.support.github.stand_in import GitHub
from tests.support.github.state import Pull
from tests.workers.installation import FILES, Installation
from tests.workers.on_github import REVIEWER, installed_on_github, proposed
from workers.gateway.messages import TaskView
from workflows.models.decision import Action
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("github-reviews")
_REVIEWS = "/repos/{owner}/{repo}/pulls/{pull_number}/reviews"


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, github: GitHub) -> AsyncIterator[Installation]:
    async with installed_on_github(place, github, reviews=True) as (one, _):
        yield one


async def under_review(here: Installation, github: GitHub, name: str, agent: str = "mender") -> tuple[str, Pull]:
    """A task in a repository whose base demands a review, and its pull request."""
    github.repository(name, FILES)
    github.protect(name, Protection(approvals=1))
    view = await proposed(here, name, agent)
    assert view.status.pull_request is not None, view.status.message
    return view.status.task.id, github.pull(name, view.status.pull_request.number)


def reviews(pull: Pull) -> list[tuple[str, str]]:
    """State and commit of what that App says, in order."""
    return [(one.state, one.commit) for one in pull.reviews if one.author.login == f"{REVIEWER}[bot]"]


async def says(pull: Pull, *states: str) -> None:
    """Wait until its reviews are in these states."""
    async with asyncio.timeout(60):
        while tuple(state for state, _ in reviews(pull)) != states:
            await asyncio.sleep(0.05)


def head_of(view: TaskView) -> str:
    assert view.status.patch is not None
    return view.status.patch.head


async def test_a_base_that_demands_a_review_takes_what_was_approved_and_only_while_it_is(
    here: Installation, github: GitHub
) -> None:
    task, pull = await under_review(here, github, "acme/reviewed")
    assert reviews(pull) == []
    # An answer that is lost has nothing said twice.
    github.fault(Trouble.LOST_ANSWER, f"POST {_REVIEWS}")
    await here.decide(task, Action.APPROVE)
    await says(pull, "APPROVED")
    assert reviews(pull)[0][1] == pull.head_sha
    assert "approved by grace" in pull.reviews[-1].body
    await here.decide(task, Action.WITHDRAW)
    await says(pull, "DISMISSED")
    token = github.person("linus", **{"acme/reviewed": "write"})
    with pytest.raises(GithubException, match="approving review is required"):
        await asyncio.to_thread(with_token(github, token.value).get_repo("acme/reviewed").get_pull(pull.number).merge)
    await here.decide(task, Action.APPROVE)
    await says(pull, "DISMISSED", "APPROVED")
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED, Stage.APPROVED)).status.outcome is Outcome.MERGED


async def test_what_was_approved_of_a_head_that_is_sent_back_counts_for_no_other(
    here: Installation, github: GitHub
) -> None:
    task, pull = await under_review(here, github, "acme/again", "listener")
    first = pull.head_sha
    await here.decide(task, Action.APPROVE)
    await says(pull, "APPROVED")
    # Who dismisses reviews, protection may say: then the opposite is said.
    github.fault(Trouble.REFUSED, f"PUT {_REVIEWS}/{{review_id}}/dismissals", words="Not allowed", times=None)
    await here.decide(task, Action.REQUEST_CHANGES, message="also say why")
    await says(pull, "APPROVED", "CHANGES_REQUESTED")
    github.faults.coming.clear()
    second = head_of(await here.reaches(task, Stage.REVIEW))
    assert second != first == reviews(pull)[0][1]
    await here.decide(task, Action.APPROVE)
    await says(pull, "APPROVED", "CHANGES_REQUESTED", "APPROVED")
    assert reviews(pull)[-1][1] == second
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED, Stage.APPROVED)).status.outcome is Outcome.MERGED


async def test_a_head_is_approved_for_its_own_base_alone_and_taken_back_however_much_is_said(
    here: Installation, github: GitHub
) -> None:
    name = "acme/elsewhere"
    task, pull = await under_review(here, github, name)
    github.commit(name, "production", {"README.md": "Here it runs.\n"})
    token = github.person("mallory", **{name: "write"})
    mallory = with_token(github, token.value).get_repo(name)
    other = await asyncio.to_thread(mallory.create_pull, base="production", head=pull.head, title="Mine", body="")
    await here.decide(task, Action.APPROVE)
    await says(pull, "APPROVED")
    for _ in range(110):
        github.review(name, pull.number, "mallory", "COMMENT")
    await here.decide(task, Action.WITHDRAW)
    await says(pull, "DISMISSED")
    assert reviews(github.pull(name, other.number)) == []
    await here.decide(task, Action.CANCEL)


async def test_where_that_app_is_not_installed_all_else_goes_on(here: Installation, github: GitHub) -> None:
    name = "acme/without"
    github.repository(name, FILES)
    (installation,) = [one for one in github.installations.values() if one.app.slug == REVIEWER]
    installation.repositories = {f"acme/{each}" for each in ("reviewed", "again", "elsewhere", "refused")}
    try:
        view = await proposed(here, name, "listener")
        task = view.status.task.id
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.REQUEST_CHANGES, message="also say why")
        await here.reaches(task, Stage.REVIEW)
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.MERGE)
        assert (await here.reaches(task, Stage.ENDED, Stage.APPROVED)).status.outcome is Outcome.MERGED
    finally:
        installation.repositories = None


async def test_a_review_that_github_does_not_take_is_told_of(here: Installation, github: GitHub) -> None:
    task, pull = await under_review(here, github, "acme/refused")
    github.fault(Trouble.REFUSED, f"POST {_REVIEWS}", words="Reviews are restricted", times=None)
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    status = (await here.reaches(task, Stage.APPROVED)).status
    assert "0 of 1 approving reviews" in status.message and reviews(pull) == []
    github.faults.coming.clear()
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED, Stage.APPROVED)).status.outcome is Outcome.MERGED
