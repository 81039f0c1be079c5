"""Running a repository's own checks on one tree, each in a sandbox without network, on a checkout of its own.

A check is a process of its own that outlives this one: its id is made from what is judged, so a retry of the step
finds the run that is there instead of starting another. Code under test can forge its own result, by its exit status
as by its report; that is why a tree is judged by more than its own tests, and why people see what was changed.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from activities.agents.plain_text import plain
from activities.archive.contract import ArtifactStore
from activities.evaluation.beneath import NotReadable, unlink_beneath
from activities.evaluation.depth.lines_run import forget_notes
from activities.evaluation.junit import ReportRefused, read_reports, report_paths
from activities.repository.mirror import Mirror
from activities.repository.workspace import Workspaces, objects_mount
from activities.sandbox.contract import LAYER, Mount, RunStatus, Sandboxes, SandboxSpec
from workflows.models.evidence import CheckOutcome, CheckRun, TestOutcome
from workflows.models.policy import Check, TaskPolicy
from workflows.models.run import RunEnd

OUTPUT_BYTES = 1024 * 1024
"""Of a check's output, this much of its end is kept."""
TAIL_CHARS = 6000
FAILED_NAMED = 200
INTERRUPTED = frozenset({RunEnd.STOPPED, RunEnd.LEASE_LAPSED, RunEnd.NOT_STARTED, RunEnd.LOST})
"""Ends that say nothing about the tree."""


CheckEnded = Callable[[str, str, RunStatus, CheckOutcome, str], None]
"""Run id, tree (`base`, `guarded`, `patched`, or which further run of one), status, outcome, backend."""


class ChecksInterrupted(Exception):
    """A check was ended from outside or could not start, so there is no result; trying again may bring one."""


@dataclass(frozen=True)
class Bench:
    """Where checks of one task run."""

    name: str
    """Begins the id of every run and the name of every checkout; of a placement, so that its release clears up."""
    mirror: Mirror
    commit: str
    """The history that a checkout is given; always base's."""
    uid: int | None
    """As root: the unprivileged uid that owns checkouts."""
    layer: Mount | None = None


@dataclass(frozen=True)
class Variant:
    """How a run differs from a plain one."""

    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Plain files of the tree that have another content in the checkout."""
    wall_seconds: float = inf
    """What it may take, if that is less than the policy's limit."""
    notes: bool = False
    """Whether the probe notes in the checkout what is run."""
    keeps: bool = True
    """Whether its output goes on record and its checkout stays until the bench is cleared."""


PLAIN = Variant()


@dataclass(frozen=True)
class CheckedTree:
    """A run of all checks, with what is too large for history."""

    run: CheckRun
    tests: dict[str, dict[str, TestOutcome]] = field(default_factory=dict)
    """By check, then by test."""
    problems: dict[str, str] = field(default_factory=dict)
    """By check: why its report could not be read."""
    tails: dict[str, str] = field(default_factory=dict)
    """By check: the end of what it printed, made plain."""


class CheckRunner:
    """Runs the checks of a policy."""

    def __init__(
        self, sandboxes: Sandboxes, workspaces: Workspaces, artifacts: ArtifactStore, ended: CheckEnded
    ) -> None:
        """`ended` is told of each check, as often as a retry of the step comes by it."""
        self._sandboxes = sandboxes
        self._workspaces = workspaces
        self._artifacts = artifacts
        self._ended = ended

    async def run(
        self, bench: Bench, label: str, tree: str, policy: TaskPolicy, variant: Variant = PLAIN
    ) -> CheckedTree:
        """Run every check on a tree. `label` tells the runs of one bench apart. Raises ChecksInterrupted."""
        outcomes: list[CheckOutcome] = []
        found = CheckedTree(CheckRun(tree=tree))
        for number, check in enumerate(policy.checks):
            outcomes.append(await self._run_one(bench, f"{label}-{number}", tree, check, policy, found, variant))
        if not variant.keeps:
            return CheckedTree(CheckRun(tree=tree, outcomes=tuple(outcomes)), found.tests, found.problems, found.tails)
        tests = _flattened(found.tests) if len(policy.checks) > 1 else next(iter(found.tests.values()), {})
        stored = await self._artifacts.put(
            json.dumps(tests, sort_keys=True).encode(), name="tests.json", media_type="application/json"
        )
        run = CheckRun(tree=tree, outcomes=tuple(outcomes), tests=stored)
        return CheckedTree(run, found.tests, found.problems, found.tails)

    def checkout(self, bench: Bench, label: str, place: int) -> Path:
        """Where the check at this place of a policy ran; it is there until the bench is cleared."""
        return self._workspaces.path(f"{bench.name}.{label}-{place}")

    async def recall(self, run: CheckRun) -> CheckedTree:
        """A run that is on record, with its tests. Raises ArchiveError."""
        stored = json.loads(await self._artifacts.get(run.tests)) if run.tests else {}
        names = [outcome.name for outcome in run.outcomes]
        tests: dict[str, dict[str, TestOutcome]] = {name: {} for name in names}
        for name, outcome in stored.items():
            check, _, test = name.partition(": ") if len(names) > 1 else (names[0], "", name)
            tests[check][test] = TestOutcome(outcome)
        return CheckedTree(run, tests)

    async def clear(self, bench: Bench) -> None:
        """Forget runs and checkouts of a bench, once their results are kept."""
        # Last first: what is known is then always the beginning, and a retry after a crash goes on from there.
        for run_id in sorted(self._known(bench), reverse=True):
            await self._sandboxes.forget(run_id)
        for name in self._workspaces.names():
            if name.startswith(f"{bench.name}."):
                await self._workspaces.remove(name)

    def _known(self, bench: Bench) -> list[str]:
        return [run_id for run_id in self._sandboxes.known_runs() if run_id.startswith(f"{bench.name}.")]

    async def _run_one(
        self,
        bench: Bench,
        label: str,
        tree: str,
        check: Check,
        policy: TaskPolicy,
        found: CheckedTree,
        variant: Variant,
    ) -> CheckOutcome:
        run_id = f"{bench.name}.{label}"
        checkout = self._workspaces.path(run_id)
        had_ended = run_id in self._known(bench) and run_id not in self._sandboxes.live_runs()
        status, output = await self._follow(bench, run_id, tree, check, policy, variant)
        if status.end in INTERRUPTED and had_ended:
            # What an earlier attempt was stopped in; it says nothing, so this attempt starts anew.
            await self._sandboxes.forget(run_id)
            status, output = await self._follow(bench, run_id, tree, check, policy, variant)
        if status.end in INTERRUPTED:
            raise ChecksInterrupted(f"check {check.name!r} was interrupted ({status.end}): {status.detail}")
        tests, problem = await asyncio.to_thread(_read_tests, checkout, check.junit)
        found.tests[check.name] = tests
        if problem:
            found.problems[check.name] = problem
        found.tails[check.name] = _tail(output)
        stored = None
        if variant.keeps:
            stored = await self._artifacts.put(output, name=f"{label}-output.txt", media_type="text/plain")
        else:
            await self._workspaces.remove(run_id)
        failed = sorted(name for name, outcome in tests.items() if outcome is TestOutcome.FAILED)
        outcome = CheckOutcome(
            name=check.name,
            end=status.end,
            exit_code=status.exit_code,
            seconds=round(_seconds(status), 3),
            tests=len(tests),
            failed=tuple(failed[:FAILED_NAMED]),
            output=stored,
        )
        self._ended(run_id, label.partition("-")[0], status, outcome, self._sandboxes.backend)
        return outcome

    async def _follow(
        self, bench: Bench, run_id: str, tree: str, check: Check, policy: TaskPolicy, variant: Variant
    ) -> tuple[RunStatus, bytes]:
        """Start the run on a fresh checkout, or find it, and wait for its end."""
        checkout = self._workspaces.path(run_id)
        if run_id not in self._known(bench):
            room = policy.check_limits.disk_bytes
            await self._workspaces.create(
                run_id, bench.mirror, commit=bench.commit, tree=tree, uid=bench.uid, room_bytes=room
            )
            await asyncio.to_thread(_remove_reports, checkout, check.junit)
            if variant.notes:
                await asyncio.to_thread(forget_notes, checkout)
            for path, content in variant.files.items():
                # Before anything ran in it: nothing in it leads elsewhere but what the tree has, and this is no link.
                await asyncio.to_thread((checkout / path).write_bytes, content)
        output = bytearray()

        async def keep(data: bytes, _: int) -> None:
            output.extend(data)
            del output[: max(0, len(output) - OUTPUT_BYTES)]

        await self._sandboxes.start(_spec(run_id, checkout, bench, check, policy, variant))
        return await self._sandboxes.follow(run_id, 0, keep), bytes(output)


def _spec(run_id: str, checkout: Path, bench: Bench, check: Check, policy: TaskPolicy, variant: Variant) -> SandboxSpec:
    layer = (bench.layer,) if bench.layer else ()
    wall = min(policy.check_limits.wall_seconds, variant.wall_seconds)
    return SandboxSpec(
        run_id=run_id,
        command=("sh", "-c", check.command),
        environment={"CI": "true", "JOURNEYMAN_LAYER": LAYER, **variant.environment},
        workspace=checkout,
        mounts=(objects_mount(bench.mirror), *layer, *variant.mounts),
        limits=policy.check_limits.model_copy(update={"wall_seconds": wall}),
        image=policy.image,
        egress=None,
        uid=bench.uid,
    )


def _seconds(status: RunStatus) -> float:
    return status.usage.wall_seconds


def _remove_reports(checkout: Path, junit: str) -> None:
    """A report that is in the tree already was not written by this run of the check."""
    try:
        for path in report_paths(checkout, junit):
            unlink_beneath(checkout, path)
    except NotReadable:
        return  # reading it afterwards fails in the same way, and says so


def _read_tests(checkout: Path, junit: str) -> tuple[dict[str, TestOutcome], str]:
    try:
        return read_reports(checkout, junit), ""
    except (NotReadable, ReportRefused) as error:
        return {}, plain(str(error), 300)


def _tail(output: bytes) -> str:
    text = plain(output[-4 * TAIL_CHARS :].decode("utf-8", "replace"), 4 * TAIL_CHARS)
    return text[-TAIL_CHARS:]


def _flattened(tests: dict[str, dict[str, TestOutcome]]) -> dict[str, TestOutcome]:
    return {f"{check}: {name}": outcome for check, found in tests.items() for name, outcome in found.items()}
