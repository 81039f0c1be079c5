"""Any forge, with a span around each call of it."""

import contextlib
from collections.abc import Iterator

from activities.forge.contract import Forge
from activities.tracing.names import Attribute
from activities.tracing.recorder import Recorder, current
from workflows.models.ci import CiReport
from workflows.models.patch import Patch
from workflows.models.pull_request import MergeResult, PullRequest, RevertResult
from workflows.models.standing import GateCheck, PullStanding
from workflows.models.task import Task
from workflows.models.trace import SpanKind


class TracedForge:
    """Implements activities.forge.contract.Forge around another one."""

    def __init__(self, forge: Forge, recorder: Recorder) -> None:
        self._forge = forge
        self._recorder = recorder

    async def propose(
        self, task: Task, patch: Patch, bundle: bytes, title: str, body: str, *, pushed: bool = False
    ) -> PullRequest:
        """See contract."""
        with self._call(task, "propose"):
            return await self._forge.propose(task, patch, bundle, title, body, pushed=pushed)

    async def merge(
        self, task: Task, pull_request: PullRequest, patch: Patch, message: str, *, was_enqueued: bool = False
    ) -> MergeResult:
        """See contract."""
        with self._call(task, "merge"):
            return await self._forge.merge(task, pull_request, patch, message, was_enqueued=was_enqueued)

    async def annotate(self, task: Task, commits: tuple[str, ...], text: str) -> None:
        """See contract."""
        with self._call(task, "annotate"):
            await self._forge.annotate(task, commits, text)

    async def leave_queue(self, task: Task, pull_request: PullRequest) -> None:
        """See contract."""
        with self._call(task, "leave queue"):
            await self._forge.leave_queue(task, pull_request)

    async def find_merge(self, task: Task, patch: Patch) -> MergeResult | None:
        """See contract."""
        with self._call(task, "find merge"):
            return await self._forge.find_merge(task, patch)

    async def close(self, task: Task, pull_request: PullRequest, reason: str) -> None:
        """See contract."""
        with self._call(task, "close"):
            await self._forge.close(task, pull_request, reason)

    async def revert(self, task: Task, merge_commit: str, message: str) -> RevertResult:
        """See contract."""
        with self._call(task, "revert"):
            return await self._forge.revert(task, merge_commit, message)

    async def propose_revert(
        self, task: Task, merge_commit: str, message: str, title: str, body: str
    ) -> PullRequest | None:
        """See contract."""
        with self._call(task, "propose revert"):
            return await self._forge.propose_revert(task, merge_commit, message, title, body)

    async def tell(self, task: Task, pull_request: PullRequest, standing: PullStanding) -> str:
        """See contract."""
        with self._call(task, "tell"):
            return await self._forge.tell(task, pull_request, standing)

    async def read_ci(self, task: Task, commit: str, *, logs: bool) -> CiReport:
        """See contract."""
        with self._call(task, "read CI"):
            return await self._forge.read_ci(task, commit, logs=logs)

    async def show_gate(self, task: Task, check: GateCheck) -> str:
        """See contract."""
        with self._call(task, "show gate"):
            return await self._forge.show_gate(task, check)

    async def withdraw_gate(self, task: Task, head: str, why: str) -> None:
        """See contract."""
        with self._call(task, "withdraw gate"):
            await self._forge.withdraw_gate(task, head, why)

    @contextlib.contextmanager
    def _call(self, task: Task, name: str) -> Iterator[None]:
        step = current()
        if step is None:
            yield
            return
        attributes: dict[str, str | bool | int | float] = {
            Attribute.TASK.value: task.id,
            Attribute.FORGE.value: task.repository.forge,
        }
        with self._recorder.span(f"forge {name}", step, attributes, SpanKind.CLIENT):
            yield
