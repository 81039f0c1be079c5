"""The main job in Linear, as a team lives it: a label, a question, a review in comments, a merge, a revert."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.workers.on_linear import OnLinear, eventually, on_linear
from workflows.models.delivery import Taken
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("linear")


@pytest_asyncio.fixture(scope="module")
async def at(place: Path) -> AsyncIterator[OnLinear]:
    async with on_linear(place) as both:
        yield both


async def test_a_label_becomes_a_task_that_is_changed_approved_merged_and_taken_back_below_its_issue(
    at: OnLinear,
) -> None:
    issue = at.issue(project={"id": "p", "name": "Sums"}, priorityLabel="High")
    task, view = await at.proposed(issue)
    asked = view.status.task
    assert (asked.requester.id, asked.requester.account) == ("ada", f"linear:{at.people['Ada']['id']}")
    assert asked.intent.link == issue["url"]
    assert asked.acceptance == ("add(2, 3) returns 5",)
    assert "should return 5" in asked.goal and "project Sums, priority High" in asked.goal
    await eventually(lambda: at.linear.state_of(issue) == "In Review")
    await eventually(lambda: "waits for a review" in at.linear.said(issue)[-1])
    assert view.status.patch is not None
    first = view.status.patch.head

    changes = await at.says(issue, "Grace", "@journeyman also say why")
    assert changes.outcome is Taken.DONE, changes.detail
    await eventually(lambda: at.linear.state_of(issue) == "In Progress")
    await eventually(lambda: at.linear.state_of(issue) == "In Review")
    view = await at.here.reaches(task, Stage.REVIEW)
    assert view.status.patch is not None

    unnamed = await at.says(issue, "Grace", "/agent approve")
    assert (unnamed.outcome, "name the commit" in unnamed.detail) == (Taken.REFUSED, True)
    own = await at.says(issue, "Ada", f"/agent approve {view.status.patch.head[:12]}")
    assert (own.outcome, "another person" in own.detail) == (Taken.REFUSED, True)
    if first != view.status.patch.head:
        stale = await at.says(issue, "Grace", f"/agent approve {first}")
        assert (stale.outcome, "look at it again" in stale.detail) == (Taken.REFUSED, True)
    approved = await at.says(issue, "Grace", f"/agent approve {view.status.patch.head[:12]}")
    assert approved.outcome is Taken.DONE, approved.detail
    assert (await at.here.reaches(task, Stage.APPROVED)).status.approved_by == ("grace",)
    merged = await at.says(issue, "Grace", "/agent merge")
    assert merged.outcome is Taken.DONE, merged.detail
    assert (await at.here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    await eventually(lambda: at.linear.state_of(issue) == "Done")

    assert (await at.here.revert(task)).outcome is RevertOutcome.REVERTED
    await eventually(lambda: at.linear.state_of(issue) == "Todo")
    # One comment about the task, which was changed each time; the others answer what was refused.
    about = [text for text in at.linear.said(issue) if text.startswith("**Journeyman**")]
    assert len(about) == 1 and "taken back" in about[0]
