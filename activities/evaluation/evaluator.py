"""Judging one patch: base, the patch under base's tests, and the patch as it is; then everything that was found."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from activities.archive.contract import ArtifactStore
from activities.evaluation.brought import Brought
from activities.evaluation.changes import ChangeReader
from activities.evaluation.checks import Bench, CheckedTree, CheckRunner
from activities.evaluation.claims import claims
from activities.evaluation.depth.deeper import Again, DeeperLook, Trees
from activities.evaluation.depth.repeats import flaky_tests
from activities.evaluation.feedback import feedback, summary
from activities.evaluation.findings import DEEPER, find, ordered
from activities.evaluation.guarded import guarded_changes, guarded_tree
from activities.evaluation.judged import Judged
from activities.evaluation.looks import Looks
from activities.evaluation.outcome_findings import TURNED_NAMED, turned
from activities.evaluation.weakening.reading import TestReader
from activities.repository.git import Git
from workflows.models.evidence import CheckRun, Claim, Evaluation, Evidence, Finding, Severity
from workflows.models.limits import Guarantees
from workflows.models.policy import TaskPolicy
from workflows.models.steps import EvaluateOrder

_NO_CLAIMS: tuple[Claim, ...] = ()
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

    def __init__(self, git: Git, checks: CheckRunner, artifacts: ArtifactStore, probe: Path) -> None:
        """`probe`: where it is staged, see depth/probe_stage.py."""
        self._git = git
        self._reader = ChangeReader(git)
        self._tests = TestReader(git)
        self._deeper = DeeperLook(git, checks, probe)
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
        looks = Looks()
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
            tests=await looks.take(
                "comparing what tests assert", self._tests.read(git_dir, changes, policy.test_paths), ()
            ),
            pushed_by=order.pushed_by,
            reasoning=order.run.summary if order.run is not None else None,
        )
        trees = Trees(base=base, base_bench=bench, patched=patched, bench=own)
        judged, findings = await self._deeper_look(judged, trees, looks)
        again = judged.again
        said = looks.glance("reading what the agent says", lambda: claims(judged), _NO_CLAIMS)
        findings = ordered((*findings, *looks.findings()))
        flaky = dict.fromkeys((*flaky_tests((base, *again.base)), *flaky_tests((patched, *again.patched))))
        evidence = Evidence(
            task_id=task.id,
            base_commit=patch.base_commit,
            head=patch.head,
            policy_hash=policy.hash,
            base=base.run,
            guarded=guarded.run,
            patched=patched.run,
            turned=turned(base, patched, flaky),
            base_again=tuple(run.run for run in again.base),
            patched_again=tuple(run.run for run in again.patched),
            flaky=tuple(f"{check}: {test}" for check, test in flaky)[:TURNED_NAMED],
            coverage=again.coverage,
            mutation=judged.trials.result() if judged.trials is not None else None,
            claims=said,
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
            summary=summary(evidence),
            feedback=feedback(findings, patched, guarded),
        )

    async def _deeper_look(self, judged: Judged, trees: Trees, looks: Looks) -> tuple[Judged, tuple[Finding, ...]]:
        """Everything that is found, with further runs where they can show more."""
        again = self._deeper.again(trees, judged.policy, judged.changes, judged.added_lines)
        judged = replace(judged, again=await looks.take("running checks again", again, Again()))
        # Beside the event loop: searching a large patch takes seconds, and heartbeats go on meanwhile.
        findings = await asyncio.to_thread(find, judged)
        if judged.again.coverage is None or any(finding.severity is Severity.BLOCKER for finding in findings):
            return judged, findings  # what goes back to the agent will be another patch
        trials = self._deeper.mutants(trees, judged.policy, judged.again)
        judged = replace(judged, trials=await looks.take("putting faults into changed lines", trials, None))
        return judged, (*findings, *find(judged, DEEPER))

    async def _tree(self, git_dir: Path, commit: str) -> str:
        return await self._git.line("rev-parse", f"{commit}^{{tree}}", purpose="reading a commit", git_dir=git_dir)


def _is_reusable(run: CheckRun, tree: str, policy: TaskPolicy) -> bool:
    """Whether an earlier round's run of base is of this very tree, by these very checks."""
    return run.tree == tree and [outcome.name for outcome in run.outcomes] == [check.name for check in policy.checks]
