"""The deeper look at a patch: checks again where something turned or broke, lines that were run, faults noticed.

All of it runs in the same sandboxes as the checks do, on checkouts of its own, and none of it is a verdict: code under
test can forge what it notes and how it ends, as it can forge its report.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from activities.evaluation import paths
from activities.evaluation.changes import SYMLINK, Change, PatchLine, is_readable
from activities.evaluation.checks import Bench, CheckedTree, CheckRunner, Variant
from activities.evaluation.depth.code import Changed, Mutant, statement_of
from activities.evaluation.depth.lines_run import PYTHON, LinesRun, covered, lines_run
from activities.evaluation.depth.mutants import Trials, trials
from activities.evaluation.depth.probe_stage import INSIDE, RECORD, probe_mount
from activities.evaluation.depth.repeats import agree, concerned
from activities.evaluation.parsing.asking import ask, source_of
from activities.repository.git import Git
from activities.sandbox.contract import WORKSPACE
from workflows.models.evidence import Coverage
from workflows.models.policy import Check, TaskPolicy
from workflows.models.run import RunEnd

SCRIPTS = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")
MOST_WATCHED = 100
"""Files."""
_LEAST_SECONDS = 5
"""A check that took next to nothing is given this much beside a multiple of that."""
_MORE = 3
"""How many times as long as without a fault a check may take with one."""


@dataclass(frozen=True)
class Again:
    """Further runs of two trees."""

    base: tuple[CheckedTree, ...] = ()
    patched: tuple[CheckedTree, ...] = ()
    coverage: Coverage | None = None
    run: LinesRun = field(default_factory=LinesRun)
    code: Mapping[str, Changed] = field(default_factory=dict)
    began: float = 0
    """When the watched run did, by the monotonic clock: from then on time is counted that policy pays for."""


@dataclass(frozen=True)
class Trees:
    """What was judged, and where."""

    base: CheckedTree
    base_bench: Bench
    patched: CheckedTree
    bench: Bench
    """With the packages that the patch brings, if it does."""


class DeeperLook:
    """Takes it, as far as policy pays for it."""

    def __init__(self, git: Git, checks: CheckRunner, probe: Path) -> None:
        """`probe`: where it is staged, see probe_stage."""
        self._git = git
        self._checks = checks
        self._probe = probe

    async def again(
        self, trees: Trees, policy: TaskPolicy, changes: tuple[Change, ...], added: tuple[PatchLine, ...]
    ) -> Again:
        """Run again what turned or broke, and once watch what is run. Raises ChecksInterrupted, GitError."""
        chosen = concerned(trees.base, trees.patched, policy) if policy.repeats else ()
        code: Mapping[str, Changed] = {}
        unread = ""
        if _pays(trees.patched, policy):
            code, unread = await self._code(trees.bench, changes, added, policy.test_paths)
        base = [
            await self._run(trees.base_bench, f"base{number}", trees.base, chosen, policy)
            for number in range(2, 2 + policy.repeats if chosen else 0)
        ]
        began = time.monotonic()
        watched, run = (await self._watched(trees, policy, code)) if code else (None, LinesRun())
        # Run once more as it is where being watched made a difference, or nobody watched.
        serves = watched is not None and agree(watched, trees.patched)
        patched = [watched] if watched is not None and serves and chosen else []
        patched += [
            await self._run(trees.bench, f"patched{number}", trees.patched, chosen, policy)
            for number in range(2 + len(patched), 2 + policy.repeats if chosen else 0)
        ]
        coverage = Coverage(unknown=unread) if unread else None
        if watched is not None and not serves:
            coverage = Coverage(unknown="the checks say something else when they are watched")
        elif code:
            coverage = covered(code, run)
        return Again(tuple(base), tuple(patched), coverage, run if serves else LinesRun(), code, began)

    async def mutants(self, trees: Trees, policy: TaskPolicy, again: Again) -> Trials:
        """Put faults into changed lines that were run, one at a time. Raises ChecksInterrupted."""
        told = trials({path: each.statements for path, each in again.code.items()}, again.run.places)
        until = again.began + policy.mutation_seconds
        for place, mutant in told.next_ones():
            noticed = await self._notices(trees, policy, again.code[place[0]], mutant, told.count, until)
            if noticed is None:
                told.stopped = f"there was no time for more: `mutation_seconds` is {policy.mutation_seconds:g}"
                break
            told.tell(place, mutant, noticed)
        return told

    async def _notices(
        self, trees: Trees, policy: TaskPolicy, changed: Changed, mutant: Mutant, number: int, until: float
    ) -> bool | None:
        """Whether any check fails by a fault; None if there is no time to find out."""
        files = {changed.path: mutant.applied(changed.source)}
        for place, (check, outcome) in enumerate(zip(policy.checks, trees.patched.run.outcomes, strict=True)):
            allowed = _MORE * outcome.seconds + _LEAST_SECONDS
            left = until - time.monotonic()
            if left < min(allowed, 1.5 * outcome.seconds + 1):
                return None
            variant = Variant(files=files, wall_seconds=min(allowed, left), keeps=False)
            one = policy.model_copy(update={"checks": (check,)})
            found = await self._checks.run(trees.bench, f"mutant{number}x{place}", trees.patched.run.tree, one, variant)
            ended = found.run.outcomes[0]
            if ended.end is RunEnd.DEADLINE and left < allowed:
                return None
            if not ended.passed:
                return True
        return False

    async def _run(
        self, bench: Bench, label: str, tree: CheckedTree, checks: tuple[Check, ...], policy: TaskPolicy
    ) -> CheckedTree:
        return await self._checks.run(bench, label, tree.run.tree, policy.model_copy(update={"checks": checks}))

    async def _watched(
        self, trees: Trees, policy: TaskPolicy, code: Mapping[str, Changed]
    ) -> tuple[CheckedTree, LinesRun]:
        environment = {
            "PYTHONPATH": INSIDE,
            "JOURNEYMAN_PROBE": "\n".join(path for path in code if path.endswith(PYTHON)),
            "NODE_V8_COVERAGE": f"{WORKSPACE}/{RECORD}",
        }
        variant = Variant(
            environment,
            (probe_mount(self._probe),),
            wall_seconds=policy.mutation_seconds / len(policy.checks),
            notes=True,
        )
        watched = await self._checks.run(trees.bench, "watched", trees.patched.run.tree, policy, variant)
        checkouts = [self._checks.checkout(trees.bench, "watched", place) for place in range(len(policy.checks))]
        return watched, await asyncio.to_thread(lines_run, checkouts, code)

    async def _code(
        self, bench: Bench, changes: tuple[Change, ...], added: tuple[PatchLine, ...], test_paths: tuple[str, ...]
    ) -> tuple[dict[str, Changed], str]:
        """Changed statements of files that can be watched; and why there are none, if a file could not be read."""
        lines: dict[str, list[int]] = {}
        for line in added:
            lines.setdefault(line.path, []).append(line.line)
        chosen = [change for change in changes if _is_code(change, test_paths) and change.path in lines][:MOST_WATCHED]
        if not is_readable(changes):
            return {}, "so much is changed that none of it was read"
        sources = [await source_of(self._git, bench.mirror.vault, change.new_blob) for change in chosen]
        # What is no UTF-8 can't be written back as it was.
        pairs = zip(chosen, sources, strict=True)
        known = [(change.path, source) for change, source in pairs if source is not None and "\ufffd" not in source]
        answers = await ask(
            [
                {
                    "ask": "statements",
                    "suffix": PurePosixPath(path).suffix,
                    "source": source,
                    "lines": sorted(set(lines[path])),
                }
                for path, source in known
            ]
        )
        found, unread = {}, ""
        for (path, source), answer in zip(known, answers, strict=True):
            statements = tuple(statement_of(each) for each in answer.get("statements", ()))
            if "problem" in answer:
                unread = f"{path} could not be read: {answer['problem']}"
            if statements:
                found[path] = Changed(path, source.encode(), statements)
        return found, unread


def _pays(patched: CheckedTree, policy: TaskPolicy) -> bool:
    """Whether the patch passes, and its checks leave room within what policy pays for."""
    return patched.run.passed and 2 * sum(each.seconds for each in patched.run.outcomes) <= policy.mutation_seconds


def _is_code(change: Change, test_paths: tuple[str, ...]) -> bool:
    """Python or JavaScript, no test, no definition of how tests run, and with a path that can be told."""
    others = (*paths.TESTS, *paths.CHECK_DEFINITIONS, *test_paths)
    return (
        PurePosixPath(change.path).suffix in (PYTHON, *SCRIPTS)
        and not change.is_deleted
        and change.new_mode not in (SYMLINK,)
        and paths.shown(change.path) == change.path
        and not paths.matches(change.path, others)
    )
