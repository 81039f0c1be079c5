"""The gate as a check run on GitHub: it says that a head is approved while that holds, and of no other head ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.decisions.signing import DecisionSigner
from tests.support.github.conforming import conforming_github
from tests.support.github.faults import Trouble
from tests.support.github.protection import Protection
from tests.support.github.stand_in import GitHub, InstalledApp
from tests.workers.installation import FILES, Installation
from tests.workers.on_github import REVERTER, check_runs, installed_on_github, merged, proposed
from tests.workers.terminal import Typed, typed
from workers.gateway.messages import TaskView
from workers.parts.api import api_steps
from workers.temporal import connect
from workflows.models.decision import Action, Decision
from workflows.models.intent import task_workflow_id
from workflows.models.person import Person
from workflows.models.pull_request import RevertOutcome
from workflows.models.standing import GateState, Standing, StandingOrder
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("github-gate")


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def both(place: Path, github: GitHub) -> AsyncIterator[tuple[Installation, InstalledApp]]:
    (place / "security.toml").write_text('promote = ["grace"]\n')
    async with installed_on_github(place, github) as made:
        yield made


@pytest.fixture
def here(both: tuple[Installation, InstalledApp]) -> Installation:
    return both[0]


@pytest.fixture
def app(both: tuple[Installation, InstalledApp]) -> InstalledApp:
    return both[1]


def head_of(view: TaskView) -> str:
    assert view.status.patch is not None
    return view.status.patch.head


def says(github: GitHub, name: str, head: str) -> tuple[str, str | None, str]:
    """Status, conclusion and title of the check that counts."""
    runs = check_runs(github, name, head)
    return (runs[-1].status, runs[-1].conclusion, runs[-1].output["title"]) if runs else ("", None, "")


async def shown(github: GitHub, name: str, head: str, title: str) -> None:
    """Wait until the check says this."""
    async with asyncio.timeout(20):
        while not says(github, name, head)[2].startswith(title):
            await asyncio.sleep(0.05)


def guarded(github: GitHub, app: InstalledApp, name: str) -> None:
    github.repository(name, FILES)
    github.protect(name, Protection(checks={"journeyman/gate": app.app.id}))


async def test_a_protected_base_that_demands_the_gate_takes_what_was_approved_and_nothing_else(
    here: Installation, github: GitHub, app: InstalledApp
) -> None:
    guarded(github, app, "acme/demanded")
    # Answers that are lost have nothing said twice.
    github.fault(Trouble.LOST_ANSWER, "POST /repos/{owner}/{repo}/check-runs")
    github.fault(Trouble.LOST_ANSWER, "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}")
    view = await proposed(here, "acme/demanded")
    task, head = view.status.task.id, head_of(view)
    await shown(github, "acme/demanded", head, "it still needs one more approval")
    await here.decide(task, Action.APPROVE)
    await shown(github, "acme/demanded", head, "approved by grace")
    assert [run.conclusion for run in check_runs(github, "acme/demanded", head)] == ["success"]
    await here.decide(task, Action.WITHDRAW)
    await shown(github, "acme/demanded", head, "it still needs one more approval")
    assert "success" not in {run.conclusion for run in check_runs(github, "acme/demanded", head)}
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED, Stage.APPROVED)).status.outcome is Outcome.MERGED


async def test_a_head_that_was_sent_back_passes_no_more_and_its_successor_not_yet(
    here: Installation, github: GitHub, app: InstalledApp
) -> None:
    name = "acme/sent-back"
    github.repository(name, FILES | {"CODEOWNERS": "calc.py @linus @acme/core @nobody\n"})
    github.protect(name, Protection(checks={"journeyman/gate": app.app.id}))
    github.person("linus", **{name: "write"})
    github.team("acme", "core", "linus")
    view = await proposed(here, name, "listener")
    task, first = view.status.task.id, head_of(view)
    assert view.status.pull_request is not None
    pull = github.pull(name, view.status.pull_request.number)
    async with asyncio.timeout(20):
        while not (pull.comments and pull.labels and pull.reviewers and pull.teams):
            await asyncio.sleep(0.05)
    assert [label.name for label in pull.labels] == ["journeyman", "journeyman: bug-fix"]
    assert ([one.login for one in pull.reviewers], [one.slug for one in pull.teams]) == (["linus"], ["core"])
    # Somebody else's comment is not taken for ours, whatever it says.
    forged = github.comment(name, pull.number, "mallory", f"<!-- journeyman {task} -->\n**Approved**")
    pull.comments.insert(0, pull.comments.pop())
    # Who has been asked and has taken himself off is not asked again.
    github.review(name, pull.number, "linus", "COMMENT", "looks fine")
    await here.decide(task, Action.APPROVE)
    await shown(github, "acme/sent-back", first, "approved by grace")
    await here.decide(task, Action.REQUEST_CHANGES, message="also say why")
    await shown(github, "acme/sent-back", first, "worked on again: grace requested changes")
    async with asyncio.timeout(20):
        while not pull.draft:
            await asyncio.sleep(0.02)
    assert says(github, "acme/sent-back", first)[:2] == ("in_progress", None)
    second = head_of(await here.reaches(task, Stage.REVIEW))
    assert second != first
    await shown(github, "acme/sent-back", second, "it still needs one more approval")
    async with asyncio.timeout(20):
        while pull.draft or second not in pull.comments[-1].body:
            await asyncio.sleep(0.02)
    ours = [comment for comment in pull.comments if comment is not forged]
    assert (len(ours), forged.body.endswith("**Approved**")) == (1, True)
    assert ours[0].author is app.app.bot and ours[0].body.startswith(f"<!-- journeyman {task} -->\n**Waiting**")
    assert f"journeyman approve {task}" in ours[0].body
    # Whoever pushes the old head back onto the branch gets nothing by it.
    assert says(github, "acme/sent-back", first)[:2] == ("completed", "cancelled")
    await here.decide(task, Action.REJECT)
    await here.reaches(task, Stage.ENDED)
    assert says(github, "acme/sent-back", second)[:2] == ("completed", "cancelled")


async def test_when_base_moves_the_head_that_was_approved_on_the_old_one_passes_no_more(
    here: Installation, github: GitHub, app: InstalledApp
) -> None:
    guarded(github, app, "acme/moving")
    view = await proposed(here, "acme/moving")
    task, first = view.status.task.id, head_of(view)
    await here.decide(task, Action.APPROVE)
    await shown(github, "acme/moving", first, "approved by grace")
    github.commit("acme/moving", "main", {"other.py": "x = 1\n"})
    await here.decide(task, Action.MERGE)
    view = await here.reaches(task, Stage.ENDED, Stage.REVIEW)
    assert head_of(view) != first
    assert says(github, "acme/moving", first)[:2] == ("completed", "cancelled")
    assert view.status.outcome is Outcome.MERGED


async def test_whoever_reaches_temporal_alone_can_make_no_head_look_approved(
    here: Installation, github: GitHub, app: InstalledApp, tmp_path: Path
) -> None:
    guarded(github, app, "acme/forged")
    status = (await proposed(here, "acme/forged")).status
    assert status.patch and status.evaluation and status.pull_request
    now = datetime.now(UTC)
    decision = Decision(
        action=Action.APPROVE,
        person=Person(id="grace"),
        task_id=status.task.id,
        head=status.patch.head,
        evidence_hash=status.evaluation.evidence_hash,
        decided_at=now,
        expires_at=now + timedelta(hours=1),
    )
    order = StandingOrder(
        task=status.task,
        pull_request=status.pull_request,
        patch=status.patch,
        evaluation=status.evaluation,
        approvals=(DecisionSigner.load_or_create(tmp_path / "forger").sign(decision),),
    )
    show = await _step(here)
    with pytest.raises(ApplicationError, match="this step is for"):
        await ActivityEnvironment().run(show, order)
    as_the_task = ActivityEnvironment()
    as_the_task.info = replace(as_the_task.info, workflow_id=task_workflow_id(status.task.id))
    standing: Standing = await as_the_task.run(show, order)
    assert standing.check is not None and standing.check.state is GateState.WAITING
    assert says(github, "acme/forged", status.patch.head)[0] == "in_progress"
    await here.decide(status.task.id, Action.REJECT)


async def test_policy_merges_only_where_reverts_reach_base_and_there_they_do(
    here: Installation, github: GitHub, app: InstalledApp
) -> None:
    name = "acme/trusted"
    github.repository(name, FILES)
    rules = Protection(checks={"journeyman/gate": app.app.id}, ruleset=True)
    github.protect(name, rules)

    async def promote() -> Typed:
        why = ("--repo", f"github:{name}", "-m", "10 merged", "--as", "grace")
        return await typed(here.settings.state, "promote", "test-fix", *why)

    assert (await promote()).code == 0
    refused = await promote()
    assert refused.code == 1
    assert f"App {REVERTER} may not push onto main past ruleset 'protect main'" in refused.error
    github.fault(Trouble.BAD_GATEWAY, "GET /repos/{owner}/{repo}/rules/branches/{branch}")
    assert "it is not known whether reverts reach base there" in (await promote()).error
    rules.bypass = {REVERTER}
    promoted = await promote()
    assert "phase 3" in promoted.out, promoted.error
    view = await merged(here, name)
    assert view.status.outcome is Outcome.MERGED, view.status.message
    result = await here.revert(view.status.task.id)
    assert result.outcome is RevertOutcome.REVERTED, result.detail
    assert github.repositories[name].git.branch("main") == result.commit


async def test_an_app_that_may_write_no_checks_lands_work_and_says_what_it_lacks(
    here: Installation, github: GitHub, app: InstalledApp
) -> None:
    github.repository("acme/bare", FILES)
    held = app.installation.permissions
    app.installation.permissions = {name: level for name, level in held.items() if name != "checks"}
    granted = {token: dict(one.permissions) for token, one in github.tokens.items()}
    for token in github.tokens.values():
        token.permissions.pop("checks", None)
    try:
        view = await proposed(here, "acme/bare")
        task = view.status.task.id
        async with asyncio.timeout(20):
            while "give it `checks: write`" not in (await here.view(task)).status.message:
                await asyncio.sleep(0.05)
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.MERGE)
        assert (await here.reaches(task, Stage.ENDED, Stage.APPROVED)).status.outcome is Outcome.MERGED
    finally:
        app.installation.permissions = held
        for name, token in github.tokens.items():
            token.permissions = granted.get(name, held)


async def _step(here: Installation) -> Callable[[StandingOrder], Awaitable[Standing]]:
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    return next(one for one in api_steps(client, here.parts.shared) if one.__name__ == "show_standing")
