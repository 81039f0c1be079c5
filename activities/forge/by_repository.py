"""The forge that a repository is on."""

from collections.abc import Mapping

from activities.decisions.refused import ActionRefused
from activities.forge.contract import Forge
from workflows.models.ci import CiReport
from workflows.models.patch import Patch
from workflows.models.pull_request import MergeResult, PullRequest, RevertResult
from workflows.models.standing import GateCheck, PullStanding
from workflows.models.task import Task


class ForgeByRepository:
    """Implements contract.Forge by the one that a task's repository names."""

    def __init__(self, forges: Mapping[str, Forge]) -> None:
        """`forges`: by name."""
        self._forges = forges

    async def propose(
        self, task: Task, patch: Patch, bundle: bytes, title: str, body: str, *, pushed: bool = False
    ) -> PullRequest:
        """See contract."""
        return await self._of(task).propose(task, patch, bundle, title, body, pushed=pushed)

    async def merge(
        self, task: Task, pull_request: PullRequest, patch: Patch, message: str, *, was_enqueued: bool = False
    ) -> MergeResult:
        """See contract."""
        return await self._of(task).merge(task, pull_request, patch, message, was_enqueued=was_enqueued)

    async def annotate(self, task: Task, commits: tuple[str, ...], text: str) -> None:
        """See contract."""
        await self._of(task).annotate(task, commits, text)

    async def leave_queue(self, task: Task, pull_request: PullRequest) -> None:
        """See contract."""
        await self._of(task).leave_queue(task, pull_request)

    async def find_merge(self, task: Task, patch: Patch) -> MergeResult | None:
        """See contract."""
        return await self._of(task).find_merge(task, patch)

    async def propose_revert(
        self, task: Task, merge_commit: str, message: str, title: str, body: str
    ) -> PullRequest | None:
        """See contract."""
        return await self._of(task).propose_revert(task, merge_commit, message, title, body)

    async def close(self, task: Task, pull_request: PullRequest, reason: str) -> None:
        """See contract."""
        await self._of(task).close(task, pull_request, reason)

    async def revert(self, task: Task, merge_commit: str, message: str) -> RevertResult:
        """See contract."""
        return await self._of(task).revert(task, merge_commit, message)

    async def tell(self, task: Task, pull_request: PullRequest, standing: PullStanding) -> str:
        """See contract."""
        return await self._of(task).tell(task, pull_request, standing)

    async def read_ci(self, task: Task, commit: str, *, logs: bool) -> CiReport:
        """See contract."""
        return await self._of(task).read_ci(task, commit, logs=logs)

    async def show_gate(self, task: Task, check: GateCheck) -> str:
        """See contract."""
        return await self._of(task).show_gate(task, check)

    async def withdraw_gate(self, task: Task, head: str, why: str) -> None:
        """See contract."""
        await self._of(task).withdraw_gate(task, head, why)

    def _of(self, task: Task) -> Forge:
        forge = self._forges.get(task.repository.forge)
        if forge is None:
            raise ActionRefused(f"this Journeyman knows no forge {task.repository.forge!r}: upgrade it")
        return forge
