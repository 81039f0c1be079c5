"""Linear without an address: it is asked what happened, and nothing of that is lost or done twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.linear.stand_in import Fault
from tests.workers.on_linear import OnLinear, eventually, on_linear
from workflows.models.decision import Action
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("linear-asked")
_CURSOR = "linear/seen-until"


@pytest_asyncio.fixture(scope="module")
async def at(place: Path) -> AsyncIterator[OnLinear]:
    async with on_linear(place, polled=True) as both:
        yield both


async def begun(at: OnLinear) -> None:
    """What was there before the first look is nobody's order."""
    async with asyncio.timeout(30):
        while await at.here.parts.shared.objects.read(_CURSOR) is None:
            await asyncio.sleep(0.05)


async def the_task(at: OnLinear, issue: dict[str, object]) -> str:
    async with asyncio.timeout(60):
        while not (found := await at.tasks_of(issue)):
            await asyncio.sleep(0.1)
    return found[0]


async def test_a_label_a_comment_and_an_approval_are_found_by_asking(at: OnLinear) -> None:
    await begun(at)
    issue = at.issue()
    at.linear.label(issue, at.people["Ada"])
    task = await the_task(at, issue)
    view = await at.here.reaches(task, Stage.REVIEW, Stage.ENDED)
    assert view.status.task.requester.id == "ada"
    await eventually(lambda: at.linear.state_of(issue) == "In Review")
    assert view.status.patch is not None
    at.linear.faults = [Fault("Issues", "ratelimited"), Fault("Comments", "down")]
    at.linear.comment(issue, at.people["Grace"], f"/agent approve {view.status.patch.head}")
    view = await at.here.reaches(task, Stage.APPROVED)
    assert view.status.approved_by == ("grace",)
    at.linear.comment(issue, at.people["Grace"], "/agent cancel")
    await at.here.reaches(task, Stage.ENDED)
    decided = [one.decision.action for one in (await at.here.view(task)).status.decisions]
    assert decided == [Action.APPROVE, Action.CANCEL]


async def test_an_issue_that_is_assigned_to_the_app_or_made_with_the_label_becomes_a_task(at: OnLinear) -> None:
    await begun(at)
    automatic = at.issue()
    with at.linear.lock:
        at.linear.label(automatic, at.people["Ada"])
        # By an integration that acts in Ada's name.
        automatic["changes"][-1]["botActor"] = {"id": "robot"}
    assigned = at.issue()
    at.linear.assign(assigned, at.people["Grace"], at.linear.app)
    made = at.issue(by="Ada", labels=[at.linear.label_named("journeyman")])
    for issue, person in ((assigned, "grace"), (made, "ada")):
        task = await the_task(at, issue)
        view = await at.here.reaches(task, Stage.REVIEW, Stage.ENDED)
        assert view.status.task.requester.id == person
        await at.here.decide(task, Action.CANCEL)
    assert await at.tasks_of(automatic) == []
