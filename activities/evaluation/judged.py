"""What the detectors look at: one patch, and its three runs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from activities.evaluation.brought import Brought
from activities.evaluation.changes import Change, PatchLine
from activities.evaluation.checks import CheckedTree
from activities.evaluation.depth.deeper import Again
from activities.evaluation.depth.mutants import Trials
from activities.evaluation.weakening.reading import ComparedTests
from workflows.models.evidence import Finding
from workflows.models.patch import LeftOut
from workflows.models.policy import TaskPolicy
from workflows.models.task import Task


@dataclass(frozen=True)
class Judged:
    """Everything that is known about a patch before it is judged."""

    task: Task
    policy: TaskPolicy
    changes: tuple[Change, ...]
    added_lines: tuple[PatchLine, ...]
    removed_lines: tuple[PatchLine, ...]
    """Of files that are still there."""
    patch_bytes: int
    """Size of the diff."""
    base: CheckedTree
    guarded: CheckedTree
    patched: CheckedTree
    has_layer: bool = False
    left_out: LeftOut = field(default_factory=LeftOut)
    packages: Brought = field(default_factory=Brought)
    tests: tuple[ComparedTests, ...] = ()
    """What changed files of tests assert, before and after."""
    reasoning: str | None = None
    """The agent's last message; None if it is not known which run made the patch."""
    pushed_by: tuple[str, ...] = ()
    """Who pushed to the task's branch by themselves."""
    again: Again = field(default_factory=Again)
    trials: Trials | None = None
    """Of faults in changed lines, if any were tried."""


Detector = Callable[[Judged], Iterable[Finding]]
"""Finds facts of one kind. Pure."""
