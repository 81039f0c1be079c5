"""An installation that hears what people do in a stand-in for Slack."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.client import Client

from activities.chat.slack.button import Button
from activities.webhooks.stored import Deliveries
from tests.support.repositories import make_repository
from tests.support.slack.sending import People, Sent
from tests.support.slack.server import Slack, slack_server
from tests.support.slack.workspace import SECRET
from tests.workers.installation import FILES, Installation, installed
from workers.embedded.temporal_server import free_port
from workers.temporal import connect
from workflows.models.delivery import DeliveryResult, delivery_workflow_id
from workflows.models.status import Stage, TaskStatus

GOAL = "add(2, 3) in calc.py returns -1, and should return 5."
KNOWN = ("ada", "grace", "linus")
"""Whom the directory knows by their account of Slack, U0ADA and so on; `mary` it knows by her mail."""


@asynccontextmanager
async def slacked(place: Path, more: str = "", *, socket: bool = False) -> AsyncIterator["Slacked"]:
    """Both, until the block ends. `more`: for the table `[slack]`. `socket`: by Socket Mode instead of an address."""
    with slack_server() as slack:
        shop = make_repository(place / "shop.git", FILES, bare=True)
        till = make_repository(place / "till.git", FILES, bare=True)
        port = free_port()
        for name, text in (("bot-token", slack.bot_token), ("app-token", slack.app_token), ("secret", SECRET)):
            (place / name).write_text(f"{text}\n")
        heard = f'address = "127.0.0.1:{port}", signing_secrets = ["{place}/secret"]'
        if socket:
            heard = f'app_token = {{ file = "{place}/app-token" }}'
        table = (
            f'slack = {{ api = "{slack.api}", bot_token = {{ file = "{place}/bot-token" }}, {heard}, '
            f'repositories = ["{shop}", "{till}"], channels = {{ C0SHOP = "{shop}" }}{more} }}\n'
        )
        people = ", ".join(f'{name} = {{ slack = "U0{name.upper()}", name = "{name.title()}" }}' for name in KNOWN)
        # Nobody answers there: which issues there are is not asked, only whose team they are.
        linear = f'api = "http://127.0.0.1:9/", token = {{ file = "{place}/secret" }}, teams = {{ ENG = "{till}" }}'
        written = f'{table}linear = {{ {linear} }}\npeople = {{ {people}, mary = {{ mail = "mary@acme.test" }} }}'
        slack.channel("C0SHOP")
        slack.channel("C0ELSE")
        for name in (*KNOWN, "mallory"):
            slack.user(f"U0{name.upper()}")
        slack.user("U0MARY", mail="Mary@acme.test")
        async with installed(place, configuration=written) as here:
            temporal = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
            url = "" if socket else f"http://127.0.0.1:{port}/webhooks/slack"
            yield Slacked(here, slack, People(slack, url), temporal, shop)


class Slacked:
    """An installation, and the Slack that tells it."""

    def __init__(self, here: Installation, slack: Slack, people: People, temporal: Client, shop: Path) -> None:
        self.here = here
        self.slack = slack
        self.people = people
        self.temporal = temporal
        self.shop = shop

    async def came_of(self, *telling: Awaitable[Sent]) -> list[DeliveryResult]:
        """Tell something, at once if it is several, and wait until something has come of what was put on record."""
        before = self.digests()
        for sent in await asyncio.gather(*telling):
            assert (sent.status, sent.body) == (200, ""), sent
        return [await self.result(one) for one in sorted(self.digests() - before)]

    async def result(self, digest: str) -> DeliveryResult:
        """What came of one that is on record."""
        stored = Deliveries(self.here.parts.shared.objects)
        async with asyncio.timeout(60):
            while await stored.done(digest) is None:
                await asyncio.sleep(0.05)
        carrying = self.temporal.get_workflow_handle(delivery_workflow_id(digest), result_type=DeliveryResult)
        result: DeliveryResult = await carrying.result()
        return result

    async def asked(self, text: str = GOAL, user: str = "U0ADA", channel: str = "C0SHOP") -> str:
        """A task that was begun by a command."""
        (result,) = await self.came_of(self.people.command(user, text, channel))
        assert result.task_id, result.detail
        return result.task_id

    async def proposed(self, text: str = GOAL) -> TaskStatus:
        """A task that waits for a person."""
        view = await self.here.reaches(await self.asked(text), Stage.REVIEW, Stage.ENDED)
        assert view.status.stage is Stage.REVIEW, view.status.message
        return view.status

    async def press(self, user: str, action: str, value: str, **more: Any) -> DeliveryResult:
        """A button, and what came of it."""
        (result,) = await self.came_of(self.people.press(user, action, value, **more))
        return result

    async def told(self, user: str, words: str, seconds: float = 30) -> str:
        """Wait until somebody alone is told something with these words."""
        async with asyncio.timeout(seconds):
            while not (found := [text for text in self.slack.told_to(user) if words in text]):
                await asyncio.sleep(0.05)
        return found[-1]

    def posted(self, channel: str = "C0SHOP") -> Sequence[str]:
        """What the App posted in a channel, outside of threads."""
        return [one.text for one in self.slack.channels[channel].messages if one.bot_id and not one.thread_ts]

    def digests(self) -> set[str]:
        """Of all that was put on record."""
        folder = self.here.settings.state / "archive" / "deliveries"
        return {file.stem for file in folder.rglob("*.json")}


def button(status: TaskStatus, **other: str) -> str:
    """The value of a button that was shown when a task stood so."""
    head = status.patch.head if status.patch is not None else ""
    evidence = status.evaluation.evidence_hash if status.evaluation is not None else ""
    question = status.question.id if status.question is not None else ""
    facts = {"task": status.task.id, "head": head, "evidence": evidence, "question": question}
    return Button.model_validate(facts | other).dump()
