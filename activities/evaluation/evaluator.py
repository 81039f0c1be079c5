"""Judging one patch: base, the patch under base's tests, and the patch as it is; then everything that was found."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from activities.archive.contract import ArtifactStore
from activities.evaluation.brought import Brought
from activities.evaluation.changes import ChangeReader
from activities.evaluation.checks import Bench, CheckedTree, CheckRunner
from activities.evaluation.feedback import feedback, summary
from activities.evaluation.findings import find
from activities.evaluation.guarded import guarded_changes, guarded_tree
from activities.evaluation.judged import Judged
from activities.evaluation.outcome_findings import turned
from activities.evaluation.weakening.reading import TestReader
from activities.repository.git import Git
from workflows.models.evidence import CheckRun, Evaluation, Evidence
from workflows.models.limits import Guarantees
from workflows.models.policy import TaskPolicy
from workflows.models.steps import EvaluateOrder

FINDINGS_CARRIED = 50
"""In history; all are in the evidence."""


@dataclass(frozen=True)
class Judgement:
    """What came of judging a patch."""

    evidence: Evidence
    summary: str
    feedback: str | None
    """For the agent; None if nothing blocks."""


class Evaluator:
    """Judges patches whose commits are in a mirror's vault."""

    def __init__(self, git: Git, checks: CheckRunner, artifacts: ArtifactStore) -> None:
        self._git = git
        self._reader = ChangeReader(git)
        self._tests = TestReader(git)
        self._checks = checks
        self._artifacts = artifacts

    async def evaluate(
        self, order: EvaluateOrder, bench: Bench, guarantees: Guarantees, brought: Brought | None = None
    ) -> Evaluation:
        """Judge and put everything on record. Raises ChecksInterrupted, GitError, ArchiveError.

        `brought`: what the patch's own lock files bring.

        Called again for the same order and bench it goes on where it was. Cancelled, it leaves the checks running:
        whoever holds the place knows whether to come back, or to give everything of it back.
        """
        judgement = await self.judge(order, bench, guarantees, brought)
        evidence = judgement.evidence
        stored = await self._artifacts.put(
            evidence.model_dump_json(indent=2).encode(), name="evidence.json", media_type="application/json"
        )
        told = None
        if judgement.feedback is not None:
            told = await self._artifacts.put(judgement.feedback.encode(), name="feedback.txt", media_type="text/plain")
        await self._checks.clear(bench)
        return Evaluation(
            evidence=stored,
            evidence_hash=evidence.digest(),
            base_commit=evidence.base_commit,
            head=evidence.head,
            policy_hash=evidence.policy_hash,
            blocked=evidence.blocked,
            findings=evidence.findings[:FINDINGS_CARRIED],
            summary=judgement.summary,
            feedback=told,
            base_run=evidence.base,
        )

    async def judge(
        self, order: EvaluateOrder, bench: Bench, guarantees: Guarantees, brought: Brought | None = None
    ) -> Judgement:
        """Run the checks on the three trees and find what there is to find."""
        task, patch, policy = order.task, order.patch, order.prepared.policy
        brought = brought or Brought()
        git_dir = bench.mirror.vault
        changes = await self._reader.changes(git_dir, patch.base_commit, patch.head)
        lines = await self._reader.lines(git_dir, patch.base_commit, patch.head, changes)
        base_tree = await self._tree(git_dir, patch.base_commit)
        head_tree = await self._tree(git_dir, patch.head)
        mixed_tree = await guarded_tree(self._git, git_dir, patch.head, guarded_changes(changes, policy))
        # Trees that are equal are run once: a patch without tests is its own guarded tree.
        done: dict[str, CheckedTree] = {}
        if order.base_run is not None and _is_reusable(order.base_run, base_tree, policy):
            done[base_tree] = await self._checks.recall(order.base_run)
        own = replace(bench, layer=brought.layer) if brought.layer is not None else bench
        for label, tree, at in (("base", base_tree, bench), ("guarded", mixed_tree, own), ("patched", head_tree, own)):
            if tree not in done:
                done[tree] = await self._checks.run(at, label, tree, policy)
        base, guarded, patched = done[base_tree], done[mixed_tree], done[head_tree]
        judged = Judged(
            task=task,
            policy=policy,
            changes=changes,
            added_lines=lines.added,
            removed_lines=lines.removed,
            patch_bytes=patch.diff.size,
            base=base,
            guarded=guarded,
            patched=patched,
            has_layer=bool(order.prepared.layer),
            left_out=patch.left_out,
            packages=brought,
            tests=await self._tests.read(git_dir, changes, policy.test_paths),
        )
        # Beside the event loop: searching a large patch takes seconds, and heartbeats go on meanwhile.
        findings = await asyncio.to_thread(find, judged)
        green = turned(base, patched)
        evidence = Evidence(
            task_id=task.id,
            base_commit=patch.base_commit,
            head=patch.head,
            policy_hash=policy.hash,
            base=base.run,
            guarded=guarded.run,
            patched=patched.run,
            turned=green,
            findings=findings,
            layer=order.prepared.layer,
            patched_layer=brought.key,
            packages=brought.installed,
            grades=guarantees.grades,
            backend=guarantees.backend,
            runtime=guarantees.runtime,
            files=len(changes),
            added=sum(change.added for change in changes),
            removed=sum(change.removed for change in changes),
            egress_refused=order.run.egress_refused if order.run else (),
            egress_allowed=order.run.egress_allowed if order.run else (),
            hangs=order.hangs,
        )
        return Judgement(
            evidence=evidence,
            summary=summary(green, patched.run, findings),
            feedback=feedback(findings, patched, guarded),
        )

    async def _tree(self, git_dir: Path, commit: str) -> str:
        return await self._git.line("rev-parse", f"{commit}^{{tree}}", purpose="reading a commit", git_dir=git_dir)


def _is_reusable(run: CheckRun, tree: str, policy: TaskPolicy) -> bool:
    """Whether an earlier round's run of base is of this very tree, by these very checks."""
    return run.tree == tree and [outcome.name for outcome in run.outcomes] == [check.name for check in policy.checks]
