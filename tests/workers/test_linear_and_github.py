"""One thing that is asked for on two sides is one task, and people on both sides see how it stands."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.github.conforming import conforming_github
from tests.support.github.stand_in import GitHub
from tests.workers.hooked import PERMISSIONS, said
from tests.workers.installation import FILES
from tests.workers.on_linear import OnLinear, eventually, on_linear
from workers.embedded.temporal_server import free_port
from workflows.models.intent import task_id
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("linear-and-github")
SHOP = "acme/shop"
SECRET = "a secret of the webhook's"


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        server.repository(SHOP, FILES)
        for person in ("ada", "grace"):
            server.person(person, **{SHOP: "write"})
        yield server


@pytest_asyncio.fixture(scope="module")
async def at(place: Path, github: GitHub) -> AsyncIterator[OnLinear]:
    app = github.install("journeyman", account="acme", permissions=PERMISSIONS)
    port = free_port()
    (place / "app.pem").write_text(app.private_key)
    (place / "github-secret").write_text(SECRET)
    hooks = f'webhooks = {{ address = "127.0.0.1:{port}", secrets = ["{place / "github-secret"}"] }}'
    whose = f'web = "{github.web}", app_id = {app.app.id}, private_key = "{place / "app.pem"}"'
    table = f"github = {{ {whose}, {hooks} }}"
    async with on_linear(place, asked=f"github:{SHOP}", on_github=True, configuration=table) as both:
        github.hook(app, f"http://127.0.0.1:{port}/webhooks/github", SECRET)
        yield both


async def test_a_comment_on_github_that_names_an_issue_asks_for_that_issue_s_task(at: OnLinear, github: GitHub) -> None:
    issue = at.issue()
    named = issue["identifier"]
    there = github.issue(SHOP, "mallory", "The sum is wrong", "See Linear.")
    await asyncio.to_thread(github.comment, SHOP, there.number, "ada", f"/agent mend add() in calc.py, {named}")
    task = task_id(f"linear:{named}")
    view = None
    async with asyncio.timeout(60):
        while task not in {line.task_id for line in await asyncio.to_thread(at.here.gateway("ada").tasks)}:
            await asyncio.sleep(0.1)
    view = await at.here.reaches(task, Stage.REVIEW, Stage.ENDED)
    assert view.status.task.intent.aliases == (f"github:{SHOP}#{there.number}",)
    # Asked for in Linear as well, it is the same task, of whoever asked first.
    (again,) = await at.carried_out(lambda: at.linear.label(issue, at.people["Grace"]))
    assert (again.task_id, view.status.task.requester.id) == (task, "ada")
    pull = view.status.pull_request
    assert pull is not None
    await eventually(lambda: at.linear.state_of(issue) == "In Review")
    await eventually(lambda: [one["url"] for one in at.linear.attachments] == [pull.url])
    await eventually(lambda: any("waits for a review" in text for text in said(there)))
    await asyncio.to_thread(github.comment, SHOP, there.number, "ada", "/agent cancel")
    assert (await at.here.reaches(task, Stage.ENDED)).status.outcome is Outcome.CANCELLED
    await eventually(lambda: any("**cancelled**" in text for text in said(there)))
    await eventually(lambda: at.linear.state_of(issue) == "Todo")
    assert len([text for text in at.linear.said(issue) if text.startswith("**Journeyman**")]) == 1


async def test_an_issue_of_linear_s_is_a_place_of_its_task_wherever_that_was_asked_for(
    at: OnLinear, github: GitHub
) -> None:
    issue = at.issue()
    there = github.issue(SHOP, "ada", f"{issue['identifier']}: add() in calc.py subtracts", "Mend add() in calc.py.")
    await asyncio.to_thread(github.label, SHOP, there.number, "grace", "journeyman")
    await eventually(lambda: at.linear.state_of(issue) == "In Review", 90)
    await eventually(lambda: len(at.linear.said(issue)) == 1)
    task = task_id(f"linear:{issue['identifier']}")
    assert (await at.here.view(task)).status.task.requester.id == "grace"
    cancelled = await at.says(issue, "Ada", "@journeyman cancel")
    assert cancelled.task_id == task
    await eventually(lambda: any("**cancelled**" in text for text in said(there)))
