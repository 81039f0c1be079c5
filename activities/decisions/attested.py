"""What the workers of this installation attest: runs, the patches they took out of workspaces, evidence, merges.

Each rests on the one before: a patch is judged only if a worker made it for this task, proposed and merged only with
evidence about it, and taken back only if it was merged.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from activities.decisions.refused import ActionRefused
from activities.decisions.signed_record import SignedRecord
from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model
from workflows.models.checkpoint import Checkpoint
from workflows.models.evidence import CheckRun, Evaluation
from workflows.models.gate import Verdict
from workflows.models.patch import Patch
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import RevertResult
from workflows.models.run import RunResult

WORKER = "worker"
"""The role whose key signs all of these."""
RUN = "run"
PATCH = "patch"
EVIDENCE = "evidence"
CHECKPOINT = "checkpoint"
MERGING = "merging"
MERGE = "merge"
USED = "used"
VERDICT = "verdict"


class AttestedPatch(Model):
    """A patch, and where it came from."""

    patch: Patch
    run_id: str = ""
    round: int = 0
    """That it was brought out in; 0 for one that only keeps what a run had done so far."""
    rebased_from: str = ""
    """Head of the patch that it was made of, if base had moved or people had pushed onto it."""
    pushed_by: tuple[str, ...] = ()
    """Of what people have pushed: who they are, by their ids, or by accounts that no person is known by."""


class AttestedEvidence(Model):
    """What was found out about one head under one policy."""

    evidence_hash: str
    head: str
    tree: str
    base_commit: str
    diff_sha256: str
    policy: TaskPolicy
    findings: tuple[str, ...] = ()
    """Rule and path of each."""
    blocked: bool = False
    base_run: CheckRun | None = None
    """Outcome on the same base, which later rounds use again."""


class AttestedMerge(Model):
    """A merge that was made, or is about to be."""

    commit: str
    """Empty of one that is about to be."""
    head: str
    base: str
    """The branch."""
    repository: str
    """Its address."""
    by_policy: bool = False
    """Whether no person merged it."""
    approved_by: tuple[str, ...] = ()
    """Ids of the persons who approved it."""
    merged_at: datetime | None = None
    """None in merges that are older than watches."""
    watch_seconds: int = 0
    """For how long base is watched from then on."""


class UsedDecision(Model):
    """A decision that was answered with a refusal."""

    signature: str
    why: str
    revert: RevertResult | None = None
    """The whole answer, of a decision to take a merge back."""


class Attested:
    """The workers' word about each task."""

    def __init__(self, record: SignedRecord) -> None:
        self._record = record

    async def add_run(self, task_id: str, run: RunResult, artifacts: Sequence[ArtifactRef]) -> None:
        """Put on record how a run ended."""
        await self._record.append(task_id, f"run-{run.run_id}", RUN, run, artifacts)

    async def run(self, task_id: str, run_id: str) -> RunResult:
        """How a run of a task ended. Raises ActionRefused if there was none of that id."""
        for run in await self.runs(task_id):
            if run.run_id == run_id:
                return run
        raise ActionRefused(f"refused: no worker has carried out run {run_id!r} of task {task_id}")

    async def run_of(self, task_id: str, head: str) -> RunResult:
        """The run that made a patch, also if it was laid onto another base since; else the last one.

        Raises ActionRefused if there was none.
        """
        made = {one.patch.head: one for one in await self._record.read(task_id, PATCH, AttestedPatch)}
        one = made.get(head)
        while one is not None and not one.run_id:
            one = made.get(one.rebased_from)
        runs = await self.runs(task_id)
        if not runs:
            raise ActionRefused(f"refused: no worker has carried out a run of task {task_id}")
        return next((run for run in runs if one is not None and run.run_id == one.run_id), runs[-1])

    async def runs(self, task_id: str) -> tuple[RunResult, ...]:
        """Every run of a task that has ended, in order."""
        return await self._record.read(task_id, RUN, RunResult)

    async def add_checkpoint(self, task_id: str, checkpoint: Checkpoint) -> None:
        """Put on record how far a run had come."""
        entry = f"checkpoint-{checkpoint.run_id}-{checkpoint.epoch}-{checkpoint.number}"
        kept = [ref for ref in (checkpoint.session, checkpoint.handover) if ref is not None]
        await self._record.append(task_id, entry, CHECKPOINT, checkpoint, kept)

    async def checkpoints(self, task_id: str) -> tuple[Checkpoint, ...]:
        """All that were taken, in order."""
        return await self._record.read(task_id, CHECKPOINT, Checkpoint)

    async def checkpoint(self, task_id: str, before: int) -> Checkpoint | None:
        """The last by a placement before this epoch, unless what that run, or a later one, did was brought out.

        That the run has ended says nothing: its host may have been lost before the work was brought out, or may have
        put the end on record after it counted as lost.
        """
        # Sorting is stable: of one epoch the last stays the last.
        taken = sorted(await self.checkpoints(task_id), key=lambda one: one.epoch)
        taken = [one for one in taken if one.epoch < before]
        made = await self._record.read(task_id, PATCH, AttestedPatch)
        brought_out = max((_number(one.run_id) for one in made if one.run_id and one.round), default=0)
        return taken[-1] if taken and _number(taken[-1].run_id) > brought_out else None

    async def checkpoint_of(self, task_id: str, run_id: str) -> Checkpoint | None:
        """The last one of a run, ended or not; None if there is none."""
        taken = [one for one in await self.checkpoints(task_id) if one.run_id == run_id]
        return taken[-1] if taken else None

    async def add_patch(self, task_id: str, made: AttestedPatch) -> None:
        """Put on record that a patch was made for a task."""
        patch = made.patch
        await self._record.append(task_id, f"patch-{patch.head}", PATCH, made, (patch.bundle, patch.diff))

    async def patches(self, task_id: str) -> tuple[AttestedPatch, ...]:
        """All that were made for a task, in order."""
        return await self._record.read(task_id, PATCH, AttestedPatch)

    async def pushed_by(self, task_id: str) -> tuple[str, ...]:
        """Who has pushed to the task's branch by themselves, and so is not the one who judges it."""
        return tuple(dict.fromkeys(who for made in await self.patches(task_id) for who in made.pushed_by))

    async def confirm(self, task_id: str, patch: Patch) -> None:
        """Raises ActionRefused unless exactly this patch was made for the task."""
        given = patch.model_dump()
        if not any(made.patch.model_dump() == given for made in await self._record.read(task_id, PATCH, AttestedPatch)):
            raise ActionRefused(f"refused: no worker has made {patch.head[:12]} for task {task_id}")

    async def add_evidence(
        self, task_id: str, patch: Patch, evaluation: Evaluation, policy: TaskPolicy
    ) -> AttestedEvidence:
        """Put on record what was found out about a patch."""
        found = AttestedEvidence(
            evidence_hash=evaluation.evidence_hash,
            head=patch.head,
            tree=patch.tree,
            base_commit=patch.base_commit,
            diff_sha256=patch.diff_sha256,
            policy=policy,
            findings=tuple(f"{finding.rule} {finding.path}".strip() for finding in evaluation.findings),
            blocked=evaluation.blocked,
            base_run=evaluation.base_run,
        )
        artifacts: tuple[ArtifactRef | None, ...] = (evaluation.evidence, evaluation.feedback)
        kept = [ref for ref in artifacts if ref is not None]
        await self._record.append(task_id, f"evidence-{evaluation.evidence_hash}", EVIDENCE, found, kept)
        return found

    async def evidence(self, task_id: str) -> tuple[AttestedEvidence, ...]:
        """All evidence about a task's patches, the newest last."""
        return await self._record.read(task_id, EVIDENCE, AttestedEvidence)

    async def add_verdict(self, task_id: str, verdict: Verdict) -> None:
        """Put on record what the gate decided about a head with its evidence: each answer that it gave, once."""
        digest = hashlib.sha256(verdict.model_dump_json().encode()).hexdigest()
        await self._record.append(task_id, f"verdict-{digest[:32]}", VERDICT, verdict)

    async def verdicts(self, task_id: str) -> tuple[Verdict, ...]:
        """All of them, in order."""
        return await self._record.read(task_id, VERDICT, Verdict)

    async def add_merge(self, task_id: str, merge: AttestedMerge) -> None:
        """Put on record that a task's patch was merged."""
        await self._record.append(task_id, f"merge-{merge.commit}", MERGE, merge)

    async def add_merging(self, task_id: str, merge: AttestedMerge) -> None:
        """Put on record that a task's patch may be merged and is about to be, and by whose decisions."""
        digest = hashlib.sha256(merge.model_dump_json().encode()).hexdigest()
        await self._record.append(task_id, f"merging-{digest[:32]}", MERGING, merge)

    async def merging(self, task_id: str, head: str) -> AttestedMerge | None:
        """The last that was about to be made of a head, whatever came of it."""
        found = [one for one in await self._record.read(task_id, MERGING, AttestedMerge) if one.head == head]
        return found[-1] if found else None

    async def add_used(self, task_id: str, used: UsedDecision) -> None:
        """Put on record that a decision came to nothing."""
        await self._record.append(task_id, f"used-{used.signature[:32]}", USED, used)

    async def used(self, task_id: str, signature: str) -> UsedDecision | None:
        """What a decision was answered with, if it came to nothing."""
        used = await self._record.read(task_id, USED, UsedDecision)
        return next((one for one in used if one.signature == signature), None)

    async def merge(self, task_id: str) -> AttestedMerge | None:
        """The task's merge, if there is one."""
        merges = await self._record.read(task_id, MERGE, AttestedMerge)
        return merges[-1] if merges else None


def _number(run_id: str) -> int:
    """Of a run: they are numbered through all of a task."""
    return int(run_id.rpartition("-")[2])
