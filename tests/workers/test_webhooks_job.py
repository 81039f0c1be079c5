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
SHOP = "acme/shop"
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
    github.repository(SHOP, FILES)
    for person in ("ada", "grace", "linus", "nobody"):
        github.person(person, **{SHOP: "write"})
    github.person("mallory", **{SHOP: "read"})
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


async def asked(here: Installation, github: GitHub, title: str = "add() subtracts") -> tuple[Issue, str]:
    """An issue that a person labelled, and the task that it became."""
    issue = github.issue(SHOP, "mallory", title, "add(2, 3) in calc.py returns -1, and should return 5.")
    (result,) = await carried_out(here, github, lambda: github.label(SHOP, issue.number, "ada", "journeyman"))
    assert result.outcome is Taken.DONE, result.detail
    return issue, result.task_id


async def proposed(here: Installation, github: GitHub) -> tuple[Issue, str, TaskView, int]:
    issue, task = await asked(here, github)
    view = await here.reaches(task, Stage.REVIEW, Stage.ENDED)
    assert view.status.pull_request is not None, view.status.message
    return issue, task, view, view.status.pull_request.number


async def test_a_labelled_issue_becomes_one_task_of_whoever_labelled_it(here: Installation, github: GitHub) -> None:
    issue, task = await asked(here, github)
    assert task == task_id(f"github:{SHOP}#{issue.number}")
    view = await here.reaches(task, Stage.REVIEW, Stage.ENDED)
    assert view.status.pull_request is not None, view.status.message
    assert view.status.task.requester.id == "ada"
    assert view.status.task.requester.account == "github:ada"
    assert view.status.task.intent.link == f"{github.web}/{SHOP}/issues/{issue.number}"
    assert "should return 5" in view.status.task.goal
    assert any(task in text for text in said(issue))
    (again,) = await carried_out(here, github, lambda: github.label(SHOP, issue.number, "grace", "Journeyman"))
    assert (again.outcome, again.task_id) == (Taken.IGNORED, task)
    await here.decide(task, Action.REJECT)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.REJECTED
