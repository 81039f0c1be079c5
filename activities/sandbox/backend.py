"""What a worker knows of a kind of sandbox: the seam between the runs on a host and a backend.

The other half is confinement.py, which a run's supervisor knows. Between them is a Launch: the backend writes its body,
the confinement reads it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from activities.sandbox.contract import RunStatus, SandboxSpec
from activities.sandbox.launch import CgroupPlace, Launch
from workflows.models.limits import LimitGrades


class ProbeFailed(Exception):
    """It is not known how strongly limits hold here, which is no reason to say that they do not."""


@dataclass(frozen=True)
class Enforceable:
    """What was found to hold on this host."""

    grades: LimitGrades
    cgroup: CgroupPlace | None = None
    """Where a supervisor makes cgroups itself."""
    counts_processes: bool = False
    """Whether a process limit set inside counts that sandbox's processes only."""
    held: tuple[str, ...] = ()
    """Controllers of the cgroups that an engine makes, as far as they were found to hold."""


Trial = Callable[[SandboxSpec, Callable[[Launch], Launch]], tuple[RunStatus, bytes]]
"""Runs one sandbox to its end, its launch changed by the function, and returns its status and what it said."""


class Backend(Protocol):
    """One kind of sandbox."""

    @property
    def name(self) -> str:
        """For evidence and policy, such as `bubblewrap`."""
        ...

    def runtime(self) -> str:
        """The program that makes sandboxes, with its version. Raises ProbeFailed."""
        ...

    def check(self, spec: SandboxSpec) -> None:
        """Refuse a spec that no sandbox of this kind can be made from. Raises ImageRefused."""
        ...

    def scratch(self, spec: SandboxSpec) -> tuple[str, ...]:
        """The writable directories in memory, as they are inside."""
        ...

    def body(self, spec: SandboxSpec, mark: str, uid: int | None, enforceable: Enforceable) -> dict[str, Any]:
        """What this kind's confinement needs to start a run, as JSON has it. Raises ZeroByte."""
        ...

    def probe(self, trial: Trial) -> Enforceable:
        """Try every limit once. Raises ProbeFailed."""
        ...

    def remove_strays(self, runs: Path) -> None:
        """Remove what is there of runs whose directory below `runs` is gone, such as what was made after they were
        cleared up. Raises OSError."""
        ...

    def system_of(self, image: str, trial: Trial) -> str:
        """Names exactly the system of runs with this image. Raises ImageRefused."""
        ...
