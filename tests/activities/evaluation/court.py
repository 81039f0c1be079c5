"""One repository and everything that is needed to judge a patch to it."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from activities.archive.artifacts import Artifacts
from activities.archive.objects import Objects
from activities.evaluation.checks import Bench, CheckRunner
from activities.evaluation.depth.probe_stage import stage_probe
from activities.evaluation.evaluator import Evaluator, Judgement
from activities.policy.detect import PYTEST
from activities.repository.git import Git
from activities.repository.mirror import Mirror, Mirrors
from activities.repository.patches import Patches
from activities.repository.workspace import Workspaces
from activities.sandbox.host import BubblewrapSandboxes
from tests.support.repositories import commit_files, git, make_repository
from workflows.models.evidence import CheckRun, Evidence, Severity
from workflows.models.intent import Intent
from workflows.models.limits import Guarantees
from workflows.models.person import Person
from workflows.models.policy import Check, TaskPolicy
from workflows.models.run import Placement
from workflows.models.steps import EvaluateOrder, Prepared
from workflows.models.task import Repository, Task

POLICY = TaskPolicy(checks=(PYTEST,), hash="p" * 64)
CALC = "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return 2 * a\n"
MENDED = CALC.replace("a - b", "a + b")
TESTS = """from calc import add, double


def test_add():
    assert add(2, 2) == 4
    assert add(2, 3) == 5


def test_double():
    assert double(4) == 8
"""
SAMPLE = {"calc.py": CALC, "tests/test_calc.py": TESTS, "conftest.py": "", "README.md": "Calc\n"}
"""One test fails on base, one passes."""

Edit = Callable[[Path], None]


def script(command: str, **changes: Any) -> TaskPolicy:
    """A policy with one check that names no tests."""
    return POLICY.model_copy(update={"checks": (Check(name="script", command=command),), **changes})


class Court:
    """Judges edits of a small repository."""

    def __init__(self, folder: Path, sandboxes: BubblewrapSandboxes) -> None:
        folder.chmod(0o711)
        self.folder = folder
        self.sandboxes = sandboxes
        self.git = Git(folder / "git")
        self.mirrors = Mirrors(folder / "mirrors", self.git)
        self.workspaces = Workspaces(folder / "workspaces", self.git)
        self.artifacts = Artifacts(Objects.open(str(folder / "archive")))
        self.patches = Patches(self.git, self.artifacts)
        self.checks = CheckRunner(sandboxes, self.workspaces, self.artifacts, lambda *_: None)
        self.evaluator = Evaluator(self.git, self.checks, self.artifacts, stage_probe(folder))
        self.uid = sandboxes.take_uid()
        self.name = "t1-" + folder.name.rpartition("-")[2].replace("_", "x")
        self.repository = folder / "repository"

    async def close(self) -> None:
        for run_id in self.sandboxes.known_runs():
            if run_id.startswith(f"{self.name}."):
                await self.sandboxes.stop(run_id, "the test is over")
                await self.sandboxes.forget(run_id)
        self.sandboxes.give_back_uid(self.uid)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def order(
        self,
        edit: Edit | dict[str, str],
        files: dict[str, str] | None = None,
        policy: TaskPolicy = POLICY,
        base_run: CheckRun | None = None,
        **of_task: Any,
    ) -> EvaluateOrder:
        """The order to judge an edit of a repository with these files, as a patch in the vault."""
        if not self.repository.exists():
            make_repository(self.repository, SAMPLE if files is None else files)
        mirror = await self.mirrors.refresh(str(self.repository))
        base = git(self.repository, "rev-parse", "HEAD")
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        git(self.folder, "clone", "--quiet", str(self.repository), str(work))
        if callable(edit):
            edit(work)
            commit_files(work, {})
        else:
            commit_files(work, edit)
        git(work, "push", "--quiet", "--force", str(mirror.vault), "HEAD:refs/heads/incoming")
        tree = git(work, "rev-parse", "HEAD^{tree}")
        when = datetime(2026, 1, 1, tzinfo=UTC)
        patch = await self.patches.make(mirror, "t1-1", base=base, tree=tree, message="Mend it\n", when=when)
        task = Task(
            id="t1",
            intent=Intent(key="cli:1", requester=Person(id="alice")),
            repository=Repository(url=str(self.repository), name="r"),
            goal="Mend add()",
            **of_task,
        )
        prepared = Prepared(placement=Placement(host="h"), base_commit=base, start_tree=base, policy=policy)
        return EvaluateOrder(task=task, prepared=prepared, patch=patch, base_run=base_run)

    def mirror(self) -> Mirror:
        return self.mirrors.of(str(self.repository))

    def bench(self, order: EvaluateOrder) -> Bench:
        return Bench(f"{self.name}.{order.round}", self.mirror(), order.patch.base_commit, self.uid)

    async def judge(self, edit: Edit | dict[str, str], **given: Any) -> Judgement:
        order = await self.order(edit, **given)
        judgement = await self.evaluator.judge(order, self.bench(order), Guarantees())
        await self.checks.clear(self.bench(order))
        return judgement


def rules(evidence: Evidence, severity: Severity | None = None) -> list[str]:
    """Names of the rules that found something."""
    return [found.rule for found in evidence.findings if severity in (None, found.severity)]
