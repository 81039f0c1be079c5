"""What the gate decides by: everything is on record, and nothing is asked for while it decides."""

from dataclasses import dataclass

from workflows.models.evidence import Finding
from workflows.models.gate import FIRST_PHASE, OwnedPaths
from workflows.models.policy import TaskPolicy
from workflows.models.task import Task


@dataclass(frozen=True)
class GateFacts:
    """One head with its evidence, under one policy, with the trust that its kind of task has earned."""

    task: Task
    policy: TaskPolicy
    paths: tuple[str, ...]
    """That the patch changes."""
    lines: int
    """Added and removed together."""
    binaries: int
    """Changed files that nobody can read as lines."""
    findings: tuple[Finding, ...]
    checks_pass: bool
    """On the patch as it is, and with base's tests."""
    turned: int
    """Tests that failed on base and pass with the patch."""
    earned: int = FIRST_PHASE
    trust_epoch: int = 0
    owned: tuple[OwnedPaths, ...] = ()
    """By CODEOWNERS, where policy asks for it."""
