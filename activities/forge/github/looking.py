"""What tasks see and say on GitHub's pages beside their pull request's own: what people did there, where they asked."""

import asyncio
import hashlib
import re
from datetime import UTC, datetime

from github.PullRequest import PullRequest as GitHubPull
from github.Repository import Repository as GitHubRepository
from temporalio import activity

from activities.callers import only_called_by
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedMerge
from activities.failures import step
from activities.forge.github.access import GitHubAccess
from activities.forge.github.discussion import GitHubDiscussion
from activities.forge.github.errors import translated
from activities.forge.github.telling import tell_end
from activities.forge.standing_comment import merged_comment
from activities.policy.github_table import FORGE
from workflows.models.intent import task_workflow_id
from workflows.models.pull_request import PullRequestState
from workflows.models.steps import LookAtPullRequest, Nothing, TellOrder
from workflows.models.task import Task

_ISSUE = re.compile(r"github:[^#]+#(\d{1,10})")
"""Key of an intent that is an issue."""


class PullRequestActivities:
    """Implements steps.PullRequestSteps: what a task is told comes from GitHub itself, not from who says to look."""

    def __init__(self, access: GitHubAccess, admissions: Admissions, attested: Attested) -> None:
        self._access = access
        self._admissions = admissions
        self._attested = attested

    @activity.defn(name="look_at_pull_request")
    @step
    async def look_at_pull_request(self, order: LookAtPullRequest) -> PullRequestState:
        """As it is now; a merge that people made is put on record, so that it can be taken back like any other."""
        only_called_by(task_workflow_id(order.task.id))
        task = await self._admissions.confirm(order.task)
        if task.repository.forge != FORGE:
            return PullRequestState(is_open=True)
        repository = await self._access.repository(task.repository.url)
        seen = await asyncio.to_thread(_look, repository, order.pull_request.number)
        if seen.merge_commit:
            await self._put_on_record(task, seen, order.watch_seconds)
            await tell_end(self._access, task, order.pull_request.number, merged_comment(task, seen.merge_commit))
        return seen

    @activity.defn(name="tell_where_asked")
    @step
    async def tell_where_asked(self, order: TellOrder) -> Nothing:
        """Comment on the issue that the task is about, once for each mark."""
        only_called_by(task_workflow_id(order.task.id))
        task = await self._admissions.confirm(order.task)
        if task.repository.forge == FORGE and (issue := _ISSUE.fullmatch(task.intent.key)):
            mark = hashlib.sha256(order.mark.encode()).hexdigest()[:24]
            await GitHubDiscussion(self._access).say(task.repository.url, int(issue[1]), order.text, mark)
        return Nothing()

    async def _put_on_record(self, task: Task, seen: PullRequestState, watch_seconds: int) -> None:
        begun = await self._attested.merging(task.id, seen.head)
        merge = begun or AttestedMerge(
            commit="",
            head=seen.head,
            base=seen.base,
            repository=task.repository.url,
            merged_at=datetime.now(UTC),
            watch_seconds=watch_seconds,
        )
        await self._attested.add_merge(task.id, merge.model_copy(update={"commit": seen.merge_commit}))


def _look(repository: GitHubRepository, number: int) -> PullRequestState:
    with translated(f"looking at pull request {number}"):
        pull = repository.get_pull(number)
        return PullRequestState(
            is_open=pull.state == "open",
            head=pull.head.sha,
            base=pull.base.ref,
            merge_commit=(pull.merge_commit_sha or "") if pull.merged else "",
            by=_by(repository, pull),
        )


def _by(repository: GitHubRepository, pull: GitHubPull) -> str:
    if pull.state == "open":
        return ""
    who = pull.merged_by if pull.merged else repository.get_issue(pull.number).closed_by
    return who.login if who is not None else ""
