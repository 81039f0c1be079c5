"""Answering questions about tasks: from the live workflow while Temporal has it, else from the archive."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError, RPCStatusCode

from activities.archive.contract import ArtifactStore, TaskChains, Tombstone, Tombstones
from activities.archive.ended import ForgottenTasks
from activities.archive.kinds import references_of
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedMerge
from activities.decisions.refused import ActionRefused
from activities.forge.revert_preview import RevertPreviews
from activities.tracing.pages import TaskPages
from workers.ends import Ends
from workers.gateway.messages import TaskLine, TaskView
from workers.gateway.refusals import NotFound, Refused
from workers.gateway.silence import silence
from workflows.models.artifact import ArtifactRef
from workflows.models.evidence import Evidence
from workflows.models.intent import task_workflow_id
from workflows.models.pull_request import RevertPreview, RevertResult
from workflows.models.status import WAITS_FOR, Outcome, Stage, TaskStatus
from workflows.models.task import Task
from workflows.models.trace import trace_of
from workflows.models.watch import WatchResult
from workflows.presentation import GOAL_MEMO
from workflows.search_attributes import OUTCOME, REPOSITORY, REQUESTER, STAGE

_MOST_LINES = 200
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_QUERY_PATIENCE = (15.0, 15.0)
"""Of each try, longer than the ten seconds for which Temporal keeps a question for the worker that knew the task last:
after those it asks any other, so that the first look after a worker's death is answered. A question that it handed to a
worker in the moment of its end comes to nothing, and is asked again."""
_TASK_ID = re.compile(r"task/[a-z0-9]+")


class Reading:
    """Read-only views of tasks."""

    def __init__(
        self,
        temporal: Client,
        chains: TaskChains,
        artifacts: ArtifactStore,
        tombstones: Tombstones,
        forgotten: ForgottenTasks,
        admissions: Admissions,
        attested: Attested,
        ends: Ends,
        previews: RevertPreviews,
        pages: TaskPages,
    ) -> None:
        self._temporal = temporal
        self._chains = chains
        self._artifacts = artifacts
        self._tombstones = tombstones
        self._forgotten = forgotten
        self._admissions = admissions
        self._attested = attested
        self._ends = ends
        self._previews = previews
        self._pages = pages

    async def resolve(self, prefix: str) -> str:
        """The one task whose id begins like this. Raises NotFound if there is none, or more than one."""
        if not prefix.isalnum() or len(prefix) > 64:
            raise NotFound(f"{prefix[:80]!r} is no task id; `journeyman tasks` lists them")
        known = set(await self._chains.task_ids())
        if prefix in known:
            return prefix
        async for execution in self._temporal.list_workflows("WorkflowType = 'AgentTask'", limit=_MOST_LINES):
            known.add(execution.id.removeprefix("task/"))
        found = sorted(task for task in known if task.startswith(prefix))
        if not found:
            # Visibility lags a moment behind; the workflow itself is asked last.
            with suppress(NotFound):
                with suppress(WorkflowQueryRejectedError):
                    await self._live(prefix)
                return prefix
            raise NotFound(f"there is no task {prefix!r}; `journeyman tasks` lists them")
        if len(found) > 1:
            raise NotFound(f"{prefix!r} could be {', '.join(found[:5])}: give more of the id")
        return found[0]

    async def view(self, task_id: str) -> TaskView:
        """Everything known about a task."""
        recorded = await self.recorded(task_id)
        if recorded is not None:
            return TaskView(
                status=recorded,
                live=False,
                reverts=await self._reverts(task_id),
                watch=await self._watch(task_id),
                **self._ui(recorded.task),
                removed=await self._removed(recorded),
            )
        try:
            status = await self._live(task_id)
            return TaskView(status=status, live=True, **self._ui(status.task))
        except WorkflowQueryRejectedError as error:
            # Its workflow has ended, and did not say how.
            try:
                ended = await self._ends.record(task_id) or await self.recorded(task_id)
            except ActionRefused as refused:
                # Nothing is put on record for what no gateway of this installation admitted; it can be looked at.
                left = await self._ends.as_left(task_id, str(refused).removeprefix("refused: "))
                return TaskView(status=left, live=False, **self._ui(left.task))
            if ended is None:
                raise NotFound(f"task {task_id} has ended, and it is not known how") from error
            return TaskView(status=ended, live=False, **self._ui(ended.task))

    async def with_outlook(self, view: TaskView) -> TaskView:
        """The same, with what taking its merge back would come to on base as it is now, or that its host is silent."""
        task_id = view.status.task.id
        merge = None if view.live else await self._attested.merge(task_id)
        closed = await self._why_closed(view.status, merge)
        if view.live:
            handle = self._temporal.get_workflow_handle(task_workflow_id(task_id))
            return view.model_copy(update={"closed": closed, "silent": await silence(handle, view.status)})
        if merge is None or closed:
            return view.model_copy(update={"closed": closed})
        (outlook,) = await self._previews.of([merge])
        recorded = None if outlook.was_tried else await self._outlook(view.status.task.id)
        return view.model_copy(update={"outlook": outlook, "outlook_recorded": recorded})

    async def _why_closed(self, status: TaskStatus, merge: AttestedMerge | None) -> str:
        """Why nobody can decide about a task any more, as after a key was replaced; empty if somebody can."""
        merged = status.outcome is Outcome.MERGED
        if status.outcome is not None and not merged:
            return ""
        try:
            await self._admissions.of(status.task.id)
            why = "no worker's key that counts here signed its merge" if merged and merge is None else ""
        except ActionRefused as refused:
            why = str(refused).removeprefix("refused: ")
        if why and merged:
            return f"Journeyman can't take it back: {why}; `git revert -m 1 {status.merge_commit[:12]}` by hand can"
        return f"nobody can decide about it: {why}; terminate it in Temporal's UI and ask for it anew" if why else ""

    async def recorded(self, task_id: str) -> TaskStatus | None:
        """The final status on record, or None while the task is open."""
        for entry in await self._chains.entries(task_id):
            if entry.kind == "outcome":
                return TaskStatus.model_validate(entry.data)
        return None

    async def lines(self) -> list[TaskLine]:
        """The newest tasks, those that Temporal has forgotten after those it knows."""
        lines: dict[str, TaskLine] = {}
        async for execution in self._temporal.list_workflows("WorkflowType = 'AgentTask'", limit=_MOST_LINES):
            if not _TASK_ID.fullmatch(execution.id):
                # Somebody else's workflow of that name: this installation's have ids that it made.
                continue
            line = await _line(execution)
            if execution.status is not WorkflowExecutionStatus.RUNNING and line.outcome is None:
                status = await self.recorded(line.task_id)
                line = line.model_copy(
                    update={
                        "stage": Stage.ENDED,
                        "waits_for": "",
                        "outcome": status.outcome if status is not None else None,
                    }
                )
            lines[line.task_id] = line
        for task_id in await self._forgotten.all() & lines.keys():
            # Temporal still has the words with which it was asked for.
            if (status := await self.recorded(task_id)) is not None:
                told = {"goal": status.task.goal[:200], "requester": status.task.requester.id}
                lines[task_id] = lines[task_id].model_copy(update=told)
        for task_id in await self._chains.task_ids():
            if task_id in lines or len(lines) >= _MOST_LINES:
                continue
            status = await self.recorded(task_id)
            if status is not None:
                lines[task_id] = TaskLine(
                    task_id=task_id,
                    repository=status.task.repository.name,
                    stage=status.stage,
                    outcome=status.outcome,
                    requester=status.task.requester.id,
                    goal=status.task.goal[:200],
                    started=status.spans[0].started if status.spans else None,
                    reverted=await self._is_reverted(task_id),
                )
        async for execution in self._temporal.list_workflows("WorkflowType = 'RevertMerge'", limit=_MOST_LINES):
            task_id = execution.id.removeprefix("revert/")
            if task_id in lines:
                lines[task_id] = lines[task_id].model_copy(update={"reverted": await self._is_reverted(task_id)})
        return sorted(lines.values(), key=lambda line: line.started or _LONG_AGO, reverse=True)

    async def diff(self, task_id: str) -> bytes:
        """The patch as a unified diff. Raises ActionRefused if a workflow shows one that no worker made."""
        patch = (await self.view(task_id)).status.patch
        if patch is not None:
            await self._attested.confirm(task_id, patch)
        return await self.artifact(patch.diff if patch else None, "patch")

    async def evidence(self, task_id: str) -> Evidence:
        """What was found out about the patch. Raises Refused if a workflow shows what no worker found."""
        status = (await self.view(task_id)).status
        evaluation = status.evaluation
        if evaluation is None and status.hangs:
            # What hung is in the evidence of what is judged, and nothing was yet.
            raise Refused(
                f"there is no evidence yet, nothing was judged; hung: {', '.join(status.hangs)}; `journeyman show "
                f"{task_id}` says where the task stands"
            )
        data = await self.artifact(evaluation.evidence if evaluation else None, "evidence")
        evidence = Evidence.model_validate_json(data)
        digest = evidence.digest()
        if not any(found.evidence_hash == digest for found in await self._attested.evidence(task_id)):
            raise Refused(f"the evidence that task {task_id} shows is not on record: do not decide by it")
        return evidence

    async def artifact(self, ref: ArtifactRef | None, what: str) -> bytes:
        """An artifact's bytes. Raises Refused if there is none yet."""
        if ref is None:
            raise Refused(f"there is no {what} yet; `journeyman show` says where the task stands")
        return await self._artifacts.get(ref)

    async def _live(self, task_id: str) -> TaskStatus:
        for patience in _QUERY_PATIENCE:
            with suppress(TimeoutError):
                return await self._asked(task_id, patience)
        raise Refused(f"task {task_id} can't be asked: no worker answers; start one with `journeyman worker`")

    async def _asked(self, task_id: str, patience: float) -> TaskStatus:
        """The workflow's own answer. Raises TimeoutError if there is none in so many seconds."""
        handle = self._temporal.get_workflow_handle(task_workflow_id(task_id))
        try:
            async with asyncio.timeout(patience):
                status: TaskStatus = await handle.query(
                    "status", result_type=TaskStatus, reject_condition=QueryRejectCondition.NOT_OPEN
                )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotFound(f"there is no task {task_id!r}; `journeyman tasks` lists them") from error
            raise
        except WorkflowQueryFailedError as error:
            raise Refused(f"task {task_id} can't be asked: {error}") from error
        return status

    async def _reverts(self, task_id: str) -> tuple[RevertResult, ...]:
        entries = await self._chains.entries(task_id)
        return tuple(RevertResult.model_validate(entry.data["result"]) for entry in entries if entry.kind == "revert")

    async def _removed(self, status: TaskStatus) -> tuple[Tombstone, ...]:
        """What is not there any more of what the record refers to, each once, and the trace."""
        entries = await self._chains.entries(status.task.id)
        refs = dict.fromkeys(ref for entry in entries for _, ref in references_of(entry))
        # By hash: the same bytes may go by two names.
        once = {ref.sha256: ref for ref in refs}
        trace = trace_of(status.task.id, status.task.trace).trace_id
        looks = [*(self._tombstones.of(ref) for ref in once.values()), self._tombstones.of_trace(trace)]
        return tuple(stone for stone in await asyncio.gather(*looks) if stone is not None)

    async def _watch(self, task_id: str) -> WatchResult | None:
        entries = await self._chains.entries(task_id)
        return next((WatchResult.model_validate(entry.data) for entry in entries if entry.kind == "watch"), None)

    async def _outlook(self, task_id: str) -> RevertPreview | None:
        """The newest on record: of a watch that is over, or of one that goes on."""
        watch = await self._watch(task_id)
        if watch is not None and watch.outlook is not None:
            return watch.outlook
        entries = await self._chains.entries(task_id)
        found = [RevertPreview.model_validate(entry.data) for entry in entries if entry.kind == "outlook"]
        return found[-1] if found else None

    async def _is_reverted(self, task_id: str) -> bool:
        return any(revert.outcome.is_back for revert in await self._reverts(task_id))

    def _ui(self, task: Task) -> dict[str, Any]:
        return {"temporal_ui": self._pages.workflow_of(task.id), "trace_ui": self._pages.trace_of(task)}


async def _line(execution: WorkflowExecution) -> TaskLine:
    attributes = execution.typed_search_attributes
    stage = attributes.get(STAGE)
    memo = await execution.memo()
    return TaskLine.model_validate(
        {
            "task_id": execution.id.removeprefix("task/"),
            "repository": attributes.get(REPOSITORY) or "",
            "stage": stage or Stage.PREPARE,
            "waits_for": WAITS_FOR.get(Stage(stage), "") if stage else "",
            "goal": memo.get(GOAL_MEMO, ""),
            "outcome": attributes.get(OUTCOME),
            "requester": attributes.get(REQUESTER) or "",
            "started": execution.start_time,
        }
    )
