"""A worker dies right after it acted on the forge, before that is on record: it is done once, and is known."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.forge.contract import Forge
from activities.forge.local import LocalForge
from tests.support.repositories import commit_to_bare, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workers.parts.api import api_steps
from workers.parts.shared import SharedParts
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.intent import revert_branch
from workflows.models.patch import Patch
from workflows.models.pull_request import MergeResult, PullRequest, RevertOutcome, RevertResult
from workflows.models.status import Outcome, Stage
from workflows.models.task import Task

pytestmark = pytest.mark.xdist_group("forge-deaths")
BY_SUM = FILES["calc.py"].replace("a - b", "sum((a, b))")


class Died(Exception):
    """As much as Temporal hears of it."""


class DeadlyForge(LocalForge):
    """Acts, and takes the worker with it before anybody hears what came of it: the first time of each action."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.died: list[str] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """What others do before the next worker takes over."""

    async def _die(self, action: str) -> None:
        self.died.append(action)
        if self.meanwhile is not None:
            await self.meanwhile()
        raise Died(f"right after {action}")

    async def propose(
        self, task: Task, patch: Patch, bundle: bytes, title: str, body: str, *, pushed: bool = False
    ) -> PullRequest:
        await super().propose(task, patch, bundle, title, body, pushed=pushed)
        await self._die("propose")
        raise AssertionError

    async def merge(
        self, task: Task, pull_request: PullRequest, patch: Patch, message: str, *, was_enqueued: bool = False
    ) -> MergeResult:
        await super().merge(task, pull_request, patch, message, was_enqueued=was_enqueued)
        await self._die("merge")
        raise AssertionError

    async def close(self, task: Task, pull_request: PullRequest, reason: str) -> None:
        await super().close(task, pull_request, reason)
        await self._die("close")

    async def revert(self, task: Task, merge_commit: str, message: str) -> RevertResult:
        result = await super().revert(task, merge_commit, message)
        if result.outcome is not RevertOutcome.CONFLICT:
            await self._die("revert")
        return result

    async def propose_revert(
        self, task: Task, merge_commit: str, message: str, title: str, body: str
    ) -> PullRequest | None:
        await super().propose_revert(task, merge_commit, message, title, body)
        await self._die("propose_revert")
        raise AssertionError


class _DeadlyParts(SharedParts):
    """Everything of the installation but its forge."""

    deadly: DeadlyForge

    @property
    def forge(self) -> Forge:
        return self.deadly


class Deaths(Interceptor):
    """Has the first try of each step on the forge done by a worker that dies."""

    def __init__(self) -> None:
        self.steps: dict[str, Callable[..., Any]] = {}

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Dying(next, self.steps)


class _Dying(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, steps: dict[str, Callable[..., Any]]) -> None:
        super().__init__(next)
        self._steps = steps

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        if info.attempt == 1 and info.activity_type in {"propose", "merge", "close_pull_request", "revert"}:
            return await self._steps[info.activity_type](*input.args)
        return await super().execute_activity(input)


@pytest.fixture(scope="module")
def deaths() -> Deaths:
    return Deaths()


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, deaths: Deaths) -> AsyncIterator[Installation]:
    async with installed(place, interceptors=[deaths]) as one:
        yield one


@pytest_asyncio.fixture
async def forge(here: Installation, deaths: Deaths) -> DeadlyForge:
    shared = here.parts.shared
    parts = _DeadlyParts(**{field.name: getattr(shared, field.name) for field in fields(SharedParts)})
    parts.deadly = DeadlyForge(shared.git, here.settings.forge_location)
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    deaths.steps.update({step.__name__: step for step in api_steps(client, parts)})
    return parts.deadly


@pytest.fixture
def repository(state: Path) -> Path:
    return make_repository(state / "till.git", FILES, bare=True)


async def approved(here: Installation, repository: Path) -> str:
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.REVIEW)
    await here.decide(task, Action.APPROVE)
    return task


async def merged(here: Installation, repository: Path) -> str:
    task = await approved(here, repository)
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    return task


def commits(repository: Path) -> int:
    return int(git(repository, "rev-list", "--first-parent", "--count", "main"))


async def test_each_action_of_a_worker_that_dies_after_it_is_done_once_and_known(
    here: Installation, repository: Path, forge: DeadlyForge
) -> None:
    task = await merged(here, repository)
    result = await here.revert(task)
    assert (result.outcome, commits(repository)) == (RevertOutcome.ALREADY_REVERTED, 3)
    assert result.commit == git(repository, "rev-parse", "main")
    assert forge.died == ["propose", "merge", "revert"]
    (recorded,) = (await here.view(task)).reverts
    assert (recorded.outcome, recorded.commit) == (RevertOutcome.ALREADY_REVERTED, result.commit)
    # Whoever lists tasks is told so, too, and that kind of task is trusted no more.
    assert "reverted" in (await typed(here.settings.state, "tasks")).out
    rows = (await typed(here.settings.state, "trust", "--repo", str(repository))).out
    assert f"asked to take back the merge {(await here.view(task)).status.merge_commit[:12]}" in rows


async def test_a_pull_request_that_was_closed_by_a_worker_that_died_is_closed_and_its_task_ends(
    here: Installation, repository: Path, forge: DeadlyForge
) -> None:
    task = await approved(here, repository)
    await here.decide(task, Action.REJECT)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.REJECTED
    assert forge.died == ["propose", "close"]
    assert [pull.state for pull in forge.pulls(str(repository))] == ["closed"]


async def test_a_conflict_whose_pull_request_was_made_by_a_worker_that_died_is_told_with_it(
    here: Installation, repository: Path, forge: DeadlyForge
) -> None:
    task = await merged(here, repository)
    commit_to_bare(repository, {"calc.py": BY_SUM}, "Use sum")
    result = await here.revert(task)
    assert forge.died[-1] == "propose_revert"
    assert (result.outcome, result.conflicts) == (RevertOutcome.CONFLICT, ("calc.py",))
    assert result.pull_request == f"local:{repository}#2"
    assert git(repository, "for-each-ref", "--format=%(refname:short)", "refs/heads/journeyman/revert-*") == (
        revert_branch(task)
    )


async def test_a_merge_that_was_made_is_known_although_work_was_halted_before_the_next_worker_looked(
    here: Installation, repository: Path, forge: DeadlyForge
) -> None:
    """Else nobody could take it back: of a merge that is on no record there is no revert."""
    task = await approved(here, repository)
    state, repo = here.settings.state, ("--repo", str(repository), "-m", "look", "--as", "grace")
    forge.meanwhile = partial(typed, state, "halt", *repo)
    await here.decide(task, Action.MERGE)
    view = await here.reaches(task, Stage.ENDED)
    assert (view.status.outcome, commits(repository)) == (Outcome.MERGED, 2)
    assert (await here.revert(task)).outcome.is_back
    assert commits(repository) == 3
    await typed(state, "resume", *repo)
