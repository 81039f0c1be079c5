"""A backend's sandboxes with one guard taken away: where an attack has to succeed that this guard is there for."""

from collections.abc import Callable
from pathlib import Path

from activities.sandbox.backend import Backend, Enforceable
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.launch import Launch
from activities.sandbox.runs import LeaseTerms, Runs
from workflows.models.limits import LimitGrades

Weakening = Callable[[Launch], Launch]


class _WeakRuns(Runs):
    def __init__(self, directory: Path, backend: Backend, weaken: Weakening) -> None:
        super().__init__(directory, backend, LeaseTerms(600, 600))
        self._weaken = weaken

    def launch(self, spec: SandboxSpec, uid: int | None, enforceable: Enforceable) -> Launch:
        launch = super().launch(spec, uid, enforceable)
        # In the host's network every socket of the host counts as the sandbox's memory.
        ceilings = launch.ceilings._replace(memory_bytes=1 << 50)
        return self._weaken(launch._replace(ceilings=ceilings))


class Weakened(HostSandboxes):
    """As the backend's, but for one guard."""

    def __init__(self, directory: Path, backend: Backend, weaken: Weakening) -> None:
        super().__init__(directory, backend, lease_seconds=600)
        self._runs = _WeakRuns(directory, backend, weaken)
        # What this host enforces is not the question here, and finding it out would be an attempt of its own.
        self._enforceable = Enforceable(LimitGrades())


def unlimited(launch: Launch) -> Launch:
    """With room for whatever the suite's attacks take, which is bounded; an end comes all the same."""
    ceilings = launch.ceilings._replace(
        processes=400, disk_bytes=1 << 40, file_bytes=1 << 30, output_bytes=1 << 30, cpus=8
    )
    return launch._replace(ceilings=ceilings)


def suite_home(launch: Launch) -> str:
    """The directory that the suite works in, which holds whatever is outside of a sandbox."""
    return str(Path(launch.lease).parent.parent)
