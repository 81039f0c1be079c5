"""An installation that hears of a stand-in for Linear, and what tests ask of both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client

from activities.webhooks.stored import Deliveries
from tests.support.linear.courier import Delivery
from tests.support.linear.nodes import Node
from tests.support.linear.server import linear_server
from tests.support.linear.stand_in import TOKEN, Linear
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from workers.embedded.temporal_server import free_port
from workers.gateway.messages import TaskView
from workers.temporal import connect
from workflows.models.delivery import DeliveryResult, Taken, delivery_workflow_id
from workflows.models.intent import task_id
from workflows.models.status import Stage

SECRET = "a secret of the webhook's"
BROKEN = "add(2, 3) in calc.py returns -1, and should return 5.\n\n## Acceptance criteria\n- [ ] add(2, 3) returns 5\n"


@asynccontextmanager
async def on_linear(
    place: Path, *, polled: bool = False, asked: str = "", on_github: bool = False, configuration: str = ""
) -> AsyncIterator["OnLinear"]:
    """Both, until the block ends. `asked`: the team's repository, if not one of this machine."""
    with linear_server() as linear:
        people = {name: linear.person(name) for name in ("Ada", "Grace", "Linus", "Mallory")}
        team, port = linear.team("ENG"), free_port()
        repository = make_repository(place / "shop", FILES)
        (place / "secret").write_text(f"{SECRET}\n")
        (place / "token").write_text(TOKEN)
        heard = "poll_seconds = 5" if polled else f'address = "127.0.0.1:{port}", secrets = ["{place / "secret"}"]'
        table = (
            f'linear = {{ api = "{linear.api}", token = {{ file = "{place / "token"}" }}, {heard}, '
            f'teams = {{ ENG = "{asked or repository}" }} }}\n'
        )
        there = {name: f', github = "{name.lower()}"' if on_github else "" for name in ("Ada", "Grace")}
        known = ", ".join(f'{one.lower()} = {{ linear = "{people[one]["id"]}"{there[one]} }}' for one in there)
        known += ', linus = { mail = "linus@example.com" }'
        async with installed(place, configuration=f"{table}people = {{ {known} }}\n{configuration}") as here:
            if not polled:
                linear.hook_url, linear.secret = f"http://127.0.0.1:{port}/webhooks/linear", SECRET
            temporal = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
            yield OnLinear(here, linear, people, team, repository, temporal)


class OnLinear:
    """An installation, and the Linear that it hears of."""

    def __init__(
        self,
        here: Installation,
        linear: Linear,
        people: dict[str, Node],
        team: Node,
        repository: Path,
        temporal: Client,
    ) -> None:
        self.here = here
        self.linear = linear
        self.people = people
        self.team = team
        self.repository = repository
        self.temporal = temporal

    def issue(self, title: str = "add() subtracts", text: str = BROKEN, by: str = "Mallory", **more: object) -> Node:
        return self.linear.issue(self.team, self.people[by], title, text, **more)

    async def carried_out(self, act: Callable[[], object]) -> list[DeliveryResult]:
        """Do something in Linear, and wait until something has come of each delivery that a person made by it."""
        before = len(self.linear.deliveries)
        await asyncio.to_thread(act)
        await asyncio.to_thread(self.linear.wait)
        mine = [one for one in self.linear.deliveries[before:] if _by_a_person(one)]
        return [await self.result_of(one) for one in mine]

    async def result_of(self, delivery: Delivery) -> DeliveryResult:
        """What came of one."""
        assert delivery.status == 200, (delivery.status, delivery.told)
        if delivery.told["outcome"] == "ignored":
            return DeliveryResult(outcome=Taken.IGNORED, detail=str(delivery.told["detail"]))
        stored, digest = Deliveries(self.here.parts.shared.objects), str(delivery.told["delivery"])
        async with asyncio.timeout(60):
            while await stored.done(digest) is None:
                await asyncio.sleep(0.05)
            handle = self.temporal.get_workflow_handle(delivery_workflow_id(digest), result_type=DeliveryResult)
            result: DeliveryResult = await handle.result()
        return result

    async def labelled(self, issue: Node, by: str = "Ada") -> str:
        """The task that an issue becomes."""
        (result,) = await self.carried_out(lambda: self.linear.label(issue, self.people[by]))
        assert result.outcome is Taken.DONE, result.detail
        assert result.task_id == task_id(f"linear:{issue['identifier']}")
        return result.task_id

    async def proposed(self, issue: Node, by: str = "Ada") -> tuple[str, TaskView]:
        """One that waits for a review."""
        task = await self.labelled(issue, by)
        view = await self.here.reaches(task, Stage.REVIEW, Stage.ENDED)
        assert view.status.stage is Stage.REVIEW, view.status.message
        return task, view

    async def tasks_of(self, issue: Node) -> list[str]:
        """Of all that there are."""
        mine = task_id(f"linear:{issue['identifier']}")
        lines = await asyncio.to_thread(self.here.gateway("ada").tasks)
        return [line.task_id for line in lines if line.task_id == mine]

    async def says(self, issue: Node, by: str, words: str) -> DeliveryResult:
        """A person's comment, and what came of it."""
        (result,) = await self.carried_out(lambda: self.linear.comment(issue, self.people[by], words))
        return result


async def eventually(look: Callable[[], object], seconds: float = 60) -> None:
    """Until it holds."""
    async with asyncio.timeout(seconds):
        while not look():
            await asyncio.sleep(0.05)


def _by_a_person(delivery: Delivery) -> bool:
    return bool(delivery.payload.get("actor", {"type": "user"})["type"] == "user")
