"""GitHub begins tasks and tells of them by webhook: real deliveries by a stand-in, and everything else real."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.webhooks.stored import Deliveries
from tests.support.github.conforming import conforming_github
from tests.support.github.stand_in import GitHub, InstalledApp
from tests.support.github.state import Delivery, Issue
from tests.workers.installation import FILES, Installation, installed
from workers.embedded.temporal_server import free_port
from workers.gateway.messages import TaskView
from workflows.models.decision import Action
from workflows.models.delivery import DeliveryResult, Taken
from workflows.models.intent import task_id
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("webhooks")
SECRET = "a secret of the webhook's"
PERMISSIONS = {
    "checks": "read",
    "contents": "write",
    "issues": "write",
    "members": "read",
    "metadata": "read",
    "pull_requests": "write",
    "actions": "read",
}


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        yield server


@pytest.fixture(scope="module")
def app(github: GitHub) -> InstalledApp:
    return github.install("journeyman", account="acme", permissions=PERMISSIONS)


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, github: GitHub, app: InstalledApp) -> AsyncIterator[Installation]:
    key, secret, port = place / "app.pem", place / "secret", free_port()
    key.write_text(app.private_key)
    secret.write_text(f"{SECRET}\n")
    hooks = f'webhooks = {{ address = "127.0.0.1:{port}", secrets = ["{secret}"], mend_base = true }}'
    people = ", ".join(f'{name} = {{ github = "{name.upper()}" }}' for name in ("ada", "grace", "linus"))
    table = f'github = {{ web = "{github.web}", app_id = {app.app.id}, private_key = "{key}", {hooks} }}\n'
    async with installed(place, configuration=f"{table}people = {{ {people} }}") as one:
        github.hook(app, f"http://127.0.0.1:{port}/webhooks/github", SECRET)
        yield one


async def carried_out(here: Installation, github: GitHub, act: Callable[[], object]) -> list[DeliveryResult]:
    """Do something on GitHub, and wait until something has come of each delivery that it made."""
    before = len(github.deliveries)
    await asyncio.to_thread(act)
    await asyncio.to_thread(github.wait_for_deliveries)
    return [await result_of(here, one) for one in github.deliveries[before:]]


async def result_of(here: Installation, delivery: Delivery) -> DeliveryResult:
    told = delivery.told
    assert delivery.status == "OK", (delivery.status, told)
    if told["outcome"] == "ignored":
        return DeliveryResult(outcome=Taken.IGNORED, detail=str(told["detail"]))
    stored = Deliveries(here.parts.shared.objects)
    async with asyncio.timeout(60):
        while (done := await stored.done(str(told["delivery"]))) is None:
            await asyncio.sleep(0.05)
    return done.result


def said(issue: Issue) -> list[str]:
    return [one.body for one in issue.comments if one.author.kind == "Bot"]


def shop(github: GitHub, name: str) -> str:
    """A repository of its own, to which all but one may write."""
    github.repository(name, FILES)
    for person in ("ada", "grace", "linus", "nobody"):
        github.person(person, **{name: "write"})
    github.person("mallory", **{name: "read"})
    return name


async def asked(here: Installation, github: GitHub, name: str) -> tuple[Issue, str]:
    """An issue that a person labelled, and the task that it became."""
    shop(github, name)
    issue = github.issue(name, "mallory", "add() subtracts", "add(2, 3) in calc.py returns -1, and should return 5.")
    (result,) = await carried_out(here, github, lambda: github.label(name, issue.number, "ada", "journeyman"))
    assert result.outcome is Taken.DONE, result.detail
    return issue, result.task_id


async def proposed(here: Installation, github: GitHub, name: str) -> tuple[Issue, str, TaskView, int]:
    issue, task = await asked(here, github, name)
    view = await here.reaches(task, Stage.REVIEW, Stage.ENDED)
    assert view.status.pull_request is not None, view.status.message
    return issue, task, view, view.status.pull_request.number


async def test_a_labelled_issue_becomes_one_task_of_whoever_labelled_it(here: Installation, github: GitHub) -> None:
    name = "acme/labelled"
    issue, task = await asked(here, github, name)
    assert task == task_id(f"github:{name}#{issue.number}")
    view = await here.reaches(task, Stage.REVIEW, Stage.ENDED)
    assert view.status.pull_request is not None, view.status.message
    assert view.status.task.requester.id == "ada"
    assert view.status.task.requester.account == "github:ada"
    assert view.status.task.intent.link == f"{github.web}/{name}/issues/{issue.number}"
    assert "should return 5" in view.status.task.goal
    assert any(task in text for text in said(issue))
    (again,) = await carried_out(here, github, lambda: github.label(name, issue.number, "grace", "Journeyman"))
    assert (again.outcome, again.task_id) == (Taken.IGNORED, task)
    await here.decide(task, Action.REJECT)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.REJECTED


async def test_a_review_on_github_is_the_approval_and_a_comment_has_it_merged(
    here: Installation, github: GitHub
) -> None:
    name = "acme/reviewed"
    _, task, view, number = await proposed(here, github, name)
    (own,) = await carried_out(here, github, lambda: github.review(name, number, "ada"))
    assert own.outcome is Taken.REFUSED and "another person" in own.detail
    assert own.detail in "\n".join(said(github.pull(name, number)))
    (stranger,) = await carried_out(here, github, lambda: github.review(name, number, "nobody"))
    assert stranger.outcome is Taken.REFUSED and "no person is known" in stranger.detail
    (reader,) = await carried_out(here, github, lambda: github.review(name, number, "mallory"))
    assert reader.outcome is Taken.REFUSED and "no write access" in reader.detail
    assert (await here.view(task)).status.stage is Stage.REVIEW

    def both() -> None:
        github.review(name, number, "grace")
        github.review(name, number, "linus")

    results = await carried_out(here, github, both)
    assert Taken.DONE in {one.outcome for one in results}
    assert {one.outcome for one in results} <= {Taken.DONE, Taken.IGNORED, Taken.REFUSED}
    status = (await here.reaches(task, Stage.APPROVED)).status
    assert len(status.approved_by) == 1
    (decision,) = [signed.decision for signed in status.decisions]
    assert view.status.patch is not None
    assert decision.head == view.status.patch.head
    assert decision.person.account in {"github:grace", "github:linus"}
    (dismissed,) = await carried_out(here, github, lambda: github.dismiss(name, number, status.approved_by[0], "ada"))
    assert dismissed.outcome is Taken.DONE
    assert (await here.view(task)).status.approved_by == ()
    await carried_out(here, github, lambda: github.review(name, number, "linus"))
    assert (await here.view(task)).status.approved_by == ("linus",)
    results = await carried_out(here, github, lambda: github.comment(name, number, "grace", "/agent merge"))
    assert results[0].outcome is Taken.DONE, results[0].detail
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED


async def test_an_approval_of_another_commit_counts_nothing_whichever_comes_first(
    here: Installation, github: GitHub
) -> None:
    name = "acme/pushed"
    _, task, view, number = await proposed(here, github, name)
    assert view.status.patch is not None
    judged, branch = view.status.patch.head, f"journeyman/{task}"

    def approve_and_push() -> None:
        github.review(name, number, "grace")
        github.commit(name, branch, {"calc.py": "# mine\n"}, login="grace")

    await carried_out(here, github, approve_and_push)
    status = (await here.view(task)).status
    assert (status.stage, status.approved_by) == (Stage.REVIEW, ())
    assert "was not judged" in status.message or not status.decisions
    for seen in (judged, None):
        (again,) = await carried_out(
            here,
            github,
            lambda seen=seen: github.review(name, number, "linus", commit=seen),  # type: ignore[misc]
        )
        assert again.outcome is Taken.REFUSED
        assert "does not count" in again.detail or "look at it again" in again.detail
    assert (await here.view(task)).status.approved_by == ()

    def in_the_wrong_order() -> None:
        github.hold_deliveries()
        github.review(name, number, "grace", "REQUEST_CHANGES", "Please keep it short.")
        github.dismiss(name, number, "grace", "ada")
        github.release_deliveries(newest_first=True)

    (late, later) = await carried_out(here, github, in_the_wrong_order)
    assert {late.outcome, later.outcome} == {Taken.IGNORED}
    await carried_out(
        here, github, lambda: github.review(name, number, "grace", "REQUEST_CHANGES", "Please keep it short.")
    )
    rounds = (await here.reaches(task, Stage.RUN, Stage.EXPORT, Stage.EVALUATE, Stage.REVIEW)).status
    assert rounds.decisions[-1].decision.message == "Please keep it short."
    await here.reaches(task, Stage.REVIEW)
    assert github.repositories[name].git.branch(branch) != judged
    (closed, *_) = await carried_out(here, github, lambda: github.close(name, number, "mallory"))
    assert closed.outcome is Taken.DONE
    ended = (await here.reaches(task, Stage.ENDED)).status
    assert ended.outcome is Outcome.CANCELLED
    assert "was closed" in ended.message


async def test_what_a_person_merges_on_github_ends_the_task_and_can_be_taken_back(
    here: Installation, github: GitHub
) -> None:
    name = "acme/merged"
    _, task, _, number = await proposed(here, github, name)
    await carried_out(here, github, lambda: github.merge(name, number, "grace"))
    status = (await here.reaches(task, Stage.ENDED)).status
    assert (status.outcome, status.merged_outside) == (Outcome.MERGED, True)
    assert "by grace" in status.message
    assert status.merge_commit == github.repositories[name].git.branch("main")
    assert (await here.revert(task, person="ada")).outcome.is_back
