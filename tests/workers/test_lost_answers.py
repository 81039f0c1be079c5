"""Every step acts, its answer is lost, and it is taken again: what it did is found, and is there once."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from tests.support.repositories import commit_to_bare, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage, TaskStatus

pytestmark = pytest.mark.xdist_group("lost-answers")
_NEVER = {"attend"}
"""Has no answer: it ends with the placement."""


class LostAnswers(Interceptor):
    """Throws the first answer to every order away, as happens to a worker that dies right after it acted."""

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Losing(next, self.lost)


class _Losing(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, lost: Counter[str]) -> None:
        super().__init__(next)
        self._lost = lost

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        answer = await super().execute_activity(input)
        info = activity.info()
        if info.attempt == 1 and info.activity_type not in _NEVER:
            self._lost[info.activity_type] += 1
            raise ApplicationError("the answer was lost")
        return answer


@pytest.fixture(scope="module")
def losing() -> LostAnswers:
    return LostAnswers()


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, losing: LostAnswers) -> AsyncIterator[Installation]:
    async with installed(place, interceptors=[losing]) as installation:
        yield installation


@pytest.fixture
def repository(state: Path) -> Path:
    return make_repository(state / "till.git", FILES, bare=True)


def branches(repository: Path) -> list[str]:
    """Of tasks; what was proposed is kept on one of its own."""
    names = git(repository, "for-each-ref", "--format=%(refname:short)", "refs/heads/journeyman/").split()
    return [name for name in names if name != "journeyman/proposed"]


def merges(repository: Path, task: str) -> int:
    """Commits on base that say they are the task's."""
    log = git(repository, "log", "--first-parent", "--format=%(trailers:key=Journeyman-Task,valueonly)", "main")
    return log.split().count(task)


async def approved(here: Installation, task: str) -> None:
    view = await here.reaches(task, Stage.REVIEW, Stage.GUIDANCE, Stage.ENDED)
    assert view.status.stage is Stage.REVIEW, view.status.message
    await here.decide(task, Action.APPROVE)
    await here.reaches(task, Stage.APPROVED)


async def test_whatever_answer_is_lost_there_is_one_pull_request_one_merge_and_one_revert(
    here: Installation, repository: Path, losing: LostAnswers
) -> None:
    losing.lost.clear()
    task = await here.ask(repository, "mender")
    await approved(here, task)
    # Base moves, so that the merge is refused once, and the patch is brought onto the new base and judged again.
    commit_to_bare(repository, {"NEWS.md": "something else\n"})
    await here.decide(task, Action.MERGE)
    view = await here.reaches(task, Stage.ENDED)
    assert view.status.outcome is Outcome.MERGED, view.status.message
    assert merges(repository, task) == 1
    assert git(repository, "show", "main:calc.py").count("a + b") == 1
    assert here.parts.placements.find(task) is None
    result = await here.revert(task)
    # By the try whose answer was lost.
    assert result.outcome is RevertOutcome.ALREADY_REVERTED, result.detail
    assert "a - b" in git(repository, "show", "main:calc.py") and "something else" in git(
        repository, "show", "main:NEWS.md"
    )
    # The first commit, the move of base, the merge, and its revert: nothing was done twice.
    assert git(repository, "rev-list", "--first-parent", "--count", "main").strip() == "4"
    assert branches(repository) == []
    steps = {
        "prepare",
        "gather_context",
        "run_agent",
        "export_patch",
        "evaluate",
        "propose",
        "merge",
        "rebase",
        "revert",
    }
    assert steps | {"release", "record", "verify_decision"} <= losing.lost.keys()


async def test_a_lost_answer_leaves_no_pull_request_of_what_was_rejected(
    here: Installation, repository: Path, losing: LostAnswers
) -> None:
    losing.lost.clear()
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.REVIEW)
    assert branches(repository) == [f"journeyman/{task}"]
    await here.decide(task, Action.REJECT)
    await here.reaches(task, Stage.ENDED)
    assert branches(repository) == [] and losing.lost["close_pull_request"] == 1


async def test_a_conflict_whose_answer_was_lost_is_told_as_the_conflict_that_it_is(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "mender")
    await approved(here, task)
    await here.decide(task, Action.MERGE)
    await here.reaches(task, Stage.ENDED)
    commit_to_bare(repository, {"calc.py": FILES["calc.py"].replace("a - b", "sum((a, b))")}, "Use sum")
    result = await here.revert(task)
    assert (result.outcome, result.conflicts) == (RevertOutcome.CONFLICT, ("calc.py",))
    # Numbers may go on from those of a repository whose place this one has.
    assert result.pull_request.startswith(f"local:{repository}#")
    again = await here.revert(task)
    assert (again.outcome, again.pull_request) == (result.outcome, result.pull_request)


async def reset(here: Installation, task: str) -> None:
    """As Temporal's UI does it: back to the first thing that the workflow did."""
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    handle = client.get_workflow_handle(task_workflow_id(task))
    described = await handle.describe()
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ends = [event.event_id async for event in handle.fetch_history_events() if event.event_type == completed]
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=here.settings.temporal_namespace,
            workflow_execution=WorkflowExecution(workflow_id=task_workflow_id(task), run_id=described.run_id),
            reason="by hand",
            request_id=os.urandom(8).hex(),
            workflow_task_finish_event_id=ends[0],
        )
    )


async def test_a_task_that_is_reset_in_review_has_one_pull_request_and_is_merged_once(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.REVIEW)
    await reset(here, task)
    await approved(here, task)
    assert branches(repository) == [f"journeyman/{task}"]
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert (merges(repository, task), branches(repository)) == (1, [])


@pytest.mark.parametrize("agent", ["mender", "binary"])
async def test_a_task_that_is_reset_after_its_merge_is_not_merged_again(
    here: Installation, repository: Path, agent: str
) -> None:
    task = await here.ask(repository, agent)
    await approved(here, task)
    await here.decide(task, Action.MERGE)
    merged = (await here.reaches(task, Stage.ENDED)).status
    await reset(here, task)
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    async with asyncio.timeout(60):
        result: TaskStatus = await client.get_workflow_handle(task_workflow_id(task), result_type=TaskStatus).result()
    assert f"merged as {merged.merge_commit[:12]} already" in result.message
    # What is on record stays, and is what people are shown.
    assert (await here.view(task)).status.merge_commit == merged.merge_commit
    assert (merges(repository, task), branches(repository)) == (1, [])
