"""An installation whose repositories are on the stand-in for GitHub, and what tests ask of both."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from activities.forge.github.examination import REVIEWS
from tests.support.github.stand_in import GitHub, InstalledApp
from tests.support.github.state import CheckRun
from tests.workers.installation import Installation, installed
from tests.workers.terminal import typed
from workers.gateway.messages import TaskView
from workflows.models.decision import Action
from workflows.models.status import Stage

PERMISSIONS = {
    "contents": "write",
    "pull_requests": "write",
    "checks": "write",
    "statuses": "read",
    "actions": "read",
    "administration": "read",
    "metadata": "read",
}
"""What docs/how-to/github.md has an App be given, and no more."""
REVERTER = "journeyman-reverts"
"""Name of the App that pushes reverts."""
REVIEWER = "journeyman-reviews"
"""Name of the App that reviews."""


@asynccontextmanager
async def installed_on_github(
    place: Path,
    github: GitHub,
    permissions: Mapping[str, str] = PERMISSIONS,
    *,
    account: str = "acme",
    table: str = 'merge_method = "squash"',
    configuration: str = "",
    reviews: bool = False,
) -> AsyncIterator[tuple[Installation, InstalledApp]]:
    """One whose App, and another for reverts alone, have all repositories of an account. `reviews`: and a third."""
    app = github.install("journeyman", account=account, permissions=permissions)
    key = place / "app.pem"
    key.write_text(app.private_key)
    whose = f'app_id = {app.app.id}, private_key = "{key}"'
    reverter = github.install(REVERTER, account=account, permissions={"contents": "write", "metadata": "read"})
    (place / "reverts.pem").write_text(reverter.private_key)
    reverts = f'reverts = {{ app_id = {reverter.app.id}, private_key = "{place / "reverts.pem"}" }}'
    if reviews:
        reviewer = github.install(REVIEWER, account=account, permissions=REVIEWS)
        (place / "reviews.pem").write_text(reviewer.private_key)
        table += f', reviews = {{ app_id = {reviewer.app.id}, private_key = "{place / "reviews.pem"}" }}'
    written = f'github = {{ web = "{github.web}", {whose}, {reverts}, {table} }}\n{configuration}'
    async with installed(place, configuration=written) as one:
        yield one, app


async def proposed(here: Installation, name: str, agent: str = "mender", goal: str = "mend add()") -> TaskView:
    """A task that waits for a person, or has ended."""
    asked = await typed(here.settings.state, "run", goal, "--repo", f"github:{name}", "--agent", agent, "--json")
    assert asked.code == 0, asked.error
    task = asked.out.split('"task_id": "')[1].split('"')[0]
    return await here.reaches(task, Stage.REVIEW, Stage.ENDED)


async def merged(here: Installation, name: str, agent: str = "mender") -> TaskView:
    """A task that was approved and merged, or was put back."""
    view = await proposed(here, name, agent)
    assert view.status.stage is Stage.REVIEW, view.status.message
    task = view.status.task.id
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    return await here.reaches(task, Stage.ENDED, Stage.APPROVED)


def check_runs(github: GitHub, name: str, head: str, check: str = "journeyman/gate") -> list[CheckRun]:
    """Of one name on one commit, the newest last: GitHub goes by that."""
    return [run for run in github.repositories[name].checks if run.suite.sha == head and run.name == check]
