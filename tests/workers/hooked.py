"""An installation that is told by webhook of what people do on a stand-in for GitHub."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from temporalio.client import Client

from activities.webhooks.stored import Deliveries
from tests.support.github.conforming import conforming_github
from tests.support.github.stand_in import GitHub, InstalledApp
from tests.support.github.state import Delivery, Issue, Pull
from tests.support.github.webhooks import signature
from tests.support.plain_http import NO_TLS
from tests.workers.installation import FILES, Installation, installed
from workers.embedded.temporal_server import free_port
from workers.gateway.messages import TaskLine, TaskView
from workers.temporal import connect
from workflows.models.delivery import DeliveryResult, Taken, delivery_workflow_id
from workflows.models.status import Stage, TaskStatus

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


_ASKS = frozenset({Stage.REVIEW, Stage.GUIDANCE})
PEOPLE = ("ada", "grace", "linus", "outsider")
"""Whom the directory knows; `nobody` may write too, and `mallory` may read."""


@asynccontextmanager
async def hooked(place: Path, more: str = "") -> AsyncIterator["Hooked"]:
    """Both, until the block ends. `more`: for the table `[github.webhooks]`."""
    with conforming_github(place / "github") as github:
        app = github.install("journeyman", account="acme", permissions=PERMISSIONS)
        key, secret, port = place / "app.pem", place / "secret", free_port()
        key.write_text(app.private_key)
        secret.write_text(f"{SECRET}\n")
        hooks = f'webhooks = {{ address = "127.0.0.1:{port}", secrets = ["{secret}"]{more} }}'
        people = ", ".join(f'{name} = {{ github = "{name.upper()}" }}' for name in PEOPLE)
        table = f'github = {{ web = "{github.web}", app_id = {app.app.id}, private_key = "{key}", {hooks} }}\n'
        async with installed(place, configuration=f"{table}people = {{ {people} }}") as here:
            github.hook(app, f"http://127.0.0.1:{port}/webhooks/github", SECRET)
            temporal = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
            yield Hooked(here, github, app, temporal)


class Hooked:
    """An installation, and the GitHub that tells it."""

    def __init__(self, here: Installation, github: GitHub, app: InstalledApp, temporal: Client) -> None:
        self.here = here
        self.github = github
        self.app = app
        self.temporal = temporal

    async def carried_out(self, act: Callable[[], object]) -> list[DeliveryResult]:
        """Do something on GitHub, and wait until something has come of each delivery that it made.

        What the App itself does meanwhile, for other tasks, is told too, and is not among them.
        """
        before = len(self.github.deliveries)
        await asyncio.to_thread(act)
        await asyncio.to_thread(self.github.wait_for_deliveries)
        made = self.github.deliveries[before:]
        return [await self.result_of(one) for one in made if one.payload["sender"]["login"] != self.app.app.bot.login]

    async def sent(self, event: str, payload: Mapping[str, object]) -> DeliveryResult:
        """Have something told that the stand-in can't do, and wait until something has come of it."""
        body = json.dumps(payload).encode()
        headers = {
            "content-type": "application/json",
            "x-github-event": event,
            "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "x-hub-signature-256": signature(SECRET, body),
        }
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
            answer = await client.post(self.app.app.hook_url, content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return await self._came_of(answer.json())

    async def result_of(self, delivery: Delivery) -> DeliveryResult:
        """What came of one of GitHub's."""
        assert delivery.status == "OK", (delivery.status, delivery.told)
        return await self._came_of(delivery.told)

    async def _came_of(self, told: Mapping[str, object]) -> DeliveryResult:
        if told["outcome"] == "ignored":
            return DeliveryResult(outcome=Taken.IGNORED, detail=str(told["detail"]))
        stored = Deliveries(self.here.parts.shared.objects)
        async with asyncio.timeout(60):
            while await stored.done(str(told["delivery"])) is None:
                await asyncio.sleep(0.05)
            carrying = self.temporal.get_workflow_handle(
                delivery_workflow_id(str(told["delivery"])), result_type=DeliveryResult
            )
            result: DeliveryResult = await carrying.result()
        return result

    async def tasks(self) -> list[TaskLine]:
        return await asyncio.to_thread(self.here.gateway("ada").tasks)

    def shop(self, name: str) -> str:
        """A repository of its own, to which all but one may write."""
        self.github.repository(name, FILES)
        for person in (*PEOPLE, "nobody"):
            self.github.person(person, **{name: "write"})
        self.github.person("mallory", **{name: "read"})
        return name

    async def asked(self, name: str) -> tuple[Issue, str]:
        """An issue that a person labelled, and the task that it became."""
        self.shop(name)
        issue = self.github.issue(
            name, "mallory", "add() subtracts", "add(2, 3) in calc.py returns -1, and should return 5."
        )
        (result,) = await self.carried_out(lambda: self.github.label(name, issue.number, "ada", "journeyman"))
        assert result.outcome is Taken.DONE, result.detail
        return issue, result.task_id

    async def shows(self, task: str, head: str) -> TaskStatus:
        """Wait until a task asks people about this head."""
        async with asyncio.timeout(60):
            while True:
                status = (await self.here.view(task)).status
                if status.patch is not None and status.patch.head == head and status.stage in _ASKS:
                    return status
                await asyncio.sleep(0.1)

    async def proposed(self, name: str) -> tuple[Issue, str, TaskView, int]:
        issue, task = await self.asked(name)
        view = await self.here.reaches(task, Stage.REVIEW, Stage.ENDED)
        assert view.status.pull_request is not None, view.status.message
        return issue, task, view, view.status.pull_request.number


async def shows_standing(pull: Pull) -> None:
    """Wait until a pull request has the comment that says where its task stands."""
    async with asyncio.timeout(30):
        while not pull.comments:
            await asyncio.sleep(0.05)


def said(issue: Issue) -> list[str]:
    """What was answered there, and not by other bots."""
    return [one.body for one in issue.comments if "<!-- journeyman" in one.body]
