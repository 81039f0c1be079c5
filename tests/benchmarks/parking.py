"""A host without sandboxes: takes tasks to review at the pace of git and the archive, with all that a merge looks for.

The agent's and the checks' results are made up; everything else is what a host makes: the policy of base, the patch as
a commit in the host's vault, and what workers attest about run, patch and evidence, signed into the task's record. So a
task that was taken to review here is merged by any worker like every other.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.decisions.attested import Attested, AttestedPatch
from activities.forge.attribution import commit_message
from activities.host.attending import BEAT_SECONDS
from activities.repository.mirror import Mirror
from workers.parts.shared import SharedParts
from workers.worker import SHARED_QUEUES, build
from workflows import queues
from workflows.models.artifact import ArtifactRef
from workflows.models.evidence import CheckOutcome, CheckRun, Evaluation, Evidence
from workflows.models.patch import ExportResult, Patch
from workflows.models.policy import TaskPolicy
from workflows.models.run import Placement, RunEnd, RunResult
from workflows.models.steps import (
    Attendance,
    ContextOrder,
    EvaluateOrder,
    ExportOrder,
    Nothing,
    Prepared,
    PrepareOrder,
    Released,
    ReleaseOrder,
    RunOrder,
    StartupContext,
)
from workflows.models.task import Task

MENDED = "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return a * 2\n"
_HOST = "parking"
_PLACES = 30
"""Workspaces of the host at once, and steps. With more, tasks wait for each other half done, and cost heartbeats."""


@dataclass(frozen=True)
class _Base:
    """What tasks of a repository have in common."""

    commit: str
    tree: str
    policy: TaskPolicy
    mended: str
    """The tree of their patches."""


class ParkingSteps:
    """The steps of a host, answered without a sandbox."""

    def __init__(self, shared: SharedParts, attested: Attested, *, own_files: bool) -> None:
        """`own_files`: each patch adds a file of its own instead, so that those of one repository merge cleanly."""
        self._own_files = own_files
        self._shared = shared
        self._attested = attested
        self._bases: dict[str, asyncio.Task[_Base]] = {}
        """By address of the repository: while tasks are parked nobody changes one, nor the policy of its tasks."""
        self._patches: dict[str, asyncio.Task[Patch]] = {}
        self.places = asyncio.Semaphore(_PLACES)
        """To be acquired by whoever asks for a task, and released with its workspace: as fast as they are parked."""

    @activity.defn(name="prepare")
    async def prepare(self, order: PrepareOrder) -> Prepared:
        """Base and the policy of base, as the merge will find it."""
        base = await self._base(order.task)
        placement = Placement(host=_HOST, epoch=order.epoch)
        return Prepared(placement=placement, base_commit=base.commit, start_tree=base.tree, policy=base.policy)

    @activity.defn(name="gather_context")
    async def gather_context(self, order: ContextOrder) -> StartupContext:
        """The goal is all that is told."""
        prompt = await self._keep(order.task.goal, "prompt.md")
        return StartupContext(prompt=prompt, manifest=await self._keep("{}", "manifest.json"))

    @activity.defn(name="run_agent")
    async def run_agent(self, order: RunOrder) -> RunResult:
        """A run that went well."""
        run = RunResult(
            run_id=order.run_id,
            end=RunEnd.EXITED,
            exit_code=0,
            succeeded=True,
            summary="add() subtracted; now it adds",
            agent="mender",
            output=await self._keep("the agent's output\n", "output.log"),
        )
        await self._attested.add_run(order.task.id, run, [run.output] if run.output else [])
        return run

    @activity.defn(name="export_patch")
    async def export_patch(self, order: ExportOrder) -> ExportResult:
        """A commit on base, the same for all tasks of a repository unless each adds a file of its own."""
        patch = await self._patch(order)
        made = AttestedPatch(patch=patch, run_id=order.run.run_id, round=order.round)
        await self._attested.add_patch(order.task.id, made)
        return ExportResult(patch=patch)

    @activity.defn(name="evaluate")
    async def evaluate(self, order: EvaluateOrder) -> Evaluation:
        """Evidence of checks that failed on base and pass on the patch."""
        task, patch, policy = order.task, order.patch, order.prepared.policy
        tests = await self._keep('{"tests.test_calc::test_add": "passed"}', "tests.json")
        failed = ("tests.test_calc::test_add",)
        base = self._checked(order.prepared.start_tree, tests, 1, failed)
        patched = self._checked(patch.tree, tests, 0, ())
        evidence = Evidence(
            task_id=task.id,
            base_commit=patch.base_commit,
            head=patch.head,
            policy_hash=policy.hash,
            base=base,
            guarded=patched,
            patched=patched,
            turned=failed,
        )
        evaluation = Evaluation(
            evidence=await self._keep(evidence.model_dump_json(indent=2), "evidence.json"),
            evidence_hash=evidence.digest(),
            base_commit=patch.base_commit,
            head=patch.head,
            policy_hash=policy.hash,
            blocked=False,
            summary="1 test turned green, 2 of 2 pass",
            base_run=base,
        )
        await self._attested.add_evidence(task.id, patch, evaluation, policy)
        return evaluation

    @activity.defn(name="release")
    async def release(self, order: ReleaseOrder) -> Released:
        """Nothing is held here but the place."""
        self.places.release()
        return Released()

    @activity.defn(name="attend")
    async def attend(self, order: Attendance) -> Nothing:
        """There for as long as it is asked for."""
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_SECONDS)

    def _checked(self, tree: str, tests: ArtifactRef, code: int, failed: tuple[str, ...]) -> CheckRun:
        outcome = CheckOutcome(name="pytest", end=RunEnd.EXITED, exit_code=code, tests=2, failed=failed, output=tests)
        return CheckRun(tree=tree, outcomes=(outcome,), tests=tests)

    async def _keep(self, text: str, name: str) -> ArtifactRef:
        return await self._shared.artifacts.put(text.encode(), name=name, media_type="text/plain")

    async def _patch(self, order: ExportOrder) -> Patch:
        key = order.task.id if self._own_files else order.task.repository.url
        if key not in self._patches:
            self._patches[key] = asyncio.create_task(self._make_patch(order))
        return await asyncio.shield(self._patches[key])

    async def _make_patch(self, order: ExportOrder) -> Patch:
        base = await self._base(order.task)
        mirror = self._shared.mirrors.of(order.task.repository.url)
        own = f"own/{order.task.id}.py"
        return await self._shared.patches.make(
            mirror,
            order.task.id,
            base=base.commit,
            tree=await self._changed(mirror, base.commit, own) if self._own_files else base.mended,
            message=commit_message(order.task, order.run, order.context.manifest.sha256),
            when=datetime.now(UTC),
        )

    async def _base(self, task: Task) -> _Base:
        url = task.repository.url
        if url not in self._bases:
            self._bases[url] = asyncio.create_task(self._read_base(task))
        return await asyncio.shield(self._bases[url])

    async def _read_base(self, task: Task) -> _Base:
        mirror = await self._shared.mirrors.refresh(task.repository.url)
        commit = await self._shared.mirrors.resolve(mirror, task.base)
        return _Base(
            commit=commit,
            tree=await self._shared.git.line(
                "rev-parse", f"{commit}^{{tree}}", purpose="reading base", git_dir=mirror.path
            ),
            policy=await self._shared.policies.of(mirror, commit, task),
            mended=await self._changed(mirror, commit, "calc.py"),
        )

    async def _changed(self, mirror: Mirror, base: str, path: str) -> str:
        """The tree of base with the one file changed or added."""
        index = mirror.vault / f"index-{Path(path).stem}"

        async def run(*command: str, stdin: bytes = b"") -> str:
            told = await self._shared.git.run(
                *command,
                purpose="making a tree",
                git_dir=mirror.vault,
                stdin=stdin,
                environment={"GIT_INDEX_FILE": str(index)},
            )
            return told.decode().strip()

        try:
            await run("read-tree", base)
            blob = await run("hash-object", "-w", "--stdin", stdin=MENDED.encode())
            await run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
            return await run("write-tree")
        finally:
            index.unlink(missing_ok=True)


@asynccontextmanager
async def parking(client: Client, shared: SharedParts, *, own_files: bool = False) -> AsyncIterator[asyncio.Semaphore]:
    """Serve every queue until the block ends: workflows and the forge as a worker does, a host by the steps above.

    Gives the host's free places: whoever asks for a task acquires one first.
    """
    steps = ParkingSteps(shared, shared.attesting(), own_files=own_files)
    host = Placement(host=_HOST)
    work = (steps.gather_context, steps.run_agent, steps.export_patch, steps.evaluate, steps.release)
    workers = [
        *build(client, shared, None, SHARED_QUEUES),
        Worker(client, task_queue=queues.SANDBOX, activities=[steps.prepare], max_concurrent_activities=_PLACES),
        Worker(client, task_queue=host.queue, activities=work, max_concurrent_activities=_PLACES),
        Worker(client, task_queue=host.control_queue, activities=[steps.attend], max_concurrent_activities=1000),
    ]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield steps.places
    finally:
        await asyncio.gather(*(worker.shutdown() for worker in workers))
        await asyncio.gather(*running)
