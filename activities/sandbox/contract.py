"""What a sandbox is told and what it answers, whichever backend makes it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from activities.sandbox.arrivals import Arrivals
from workflows.models.base import Model
from workflows.models.halt import Work
from workflows.models.limits import Guarantees, LimitGrades, Limits
from workflows.models.run import RunEnd, Usage

WORKSPACE = "/work"
"""Where the workspace is inside every sandbox, and its working directory."""
LAYER = "/opt/journeyman/layer"
"""Where the environment layer is inside: writable while it is made, read-only afterwards."""
INPUT = "/run/task"
"""Read-only directory with the prompt and other input files."""
PROXY_PORT = 3128
"""Inside, 127.0.0.1 at this port leads to the egress gateway, if there is one."""


IMAGE = r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}"
"""What may name an image, as a pattern; it becomes part of an address of an engine's."""


class ZeroByte(ValueError):
    """A value of a spec would be taken for more than one argument."""

    def __init__(self, value: str) -> None:
        super().__init__(
            f"Refused to start a sandbox with a zero byte in {value[:80]!r}: it would end the argument there and make "
            "the rest an option of the sandbox itself. Remove it from the command, environment or mount."
        )


class ImageRefused(Exception):
    """A sandbox can't have the system that was asked for; the message says why and what to do."""


def refuse_zero_bytes(*values: str) -> None:
    """Raise ZeroByte if any of the values has one."""
    for value in values:
        if "\0" in value:
            raise ZeroByte(value)


class Mount(Model):
    """A host path that is visible inside."""

    source: Path
    target: str
    writable: bool = False


class SandboxSpec(Model):
    """Everything needed to run one command in one sandbox. Written to disk; holds no credential."""

    run_id: str
    """Unique on the host. Starting the same id again finds the run that is there."""
    command: tuple[str, ...]
    environment: dict[str, str] = {}
    """Complete: nothing is inherited. PATH, HOME and TMPDIR have defaults."""
    workspace: Path | None = None
    """Mounted at WORKSPACE."""
    workspace_writable: bool = True
    mounts: tuple[Mount, ...] = ()
    limits: Limits = Limits()
    egress: Path | None = None
    """Directory that holds the gateway's socket `egress.sock`; None means no network at all."""
    image: str = ""
    """Where sandboxes are containers: the image that is their system. Empty, it is the platform's."""
    uid: int | None = None
    """As root: the unprivileged uid that owns the workspace. None: one is taken from the pool for this run."""
    work: Work | None = None
    """Whose work it is, by which it is halted. None: that is not known, and every halt means it too."""


class RunStatus(Model):
    """The final status of a run, written once, atomically, by its supervisor."""

    run_id: str
    end: RunEnd
    detail: str = ""
    exit_code: int | None = None
    usage: Usage = Usage()
    grades: LimitGrades = LimitGrades()
    requested_at: float = 0
    """Unix seconds, as the next two; 0 where it is not known."""
    started_at: float = 0
    """When the first process inside was there."""
    ended_at: float = 0


class Vitals(Model):
    """Signs of life of a run that goes on."""

    output_bytes: int = 0
    cpu_seconds: float | None = None
    """Processor time of all its processes; None if that can't be known here, or not yet."""
    stands_still: bool = False


OnOutput = Callable[[bytes, int], Awaitable[None]]
"""Receives new output and the offset after it."""


class Sandboxes(Protocol):
    """Runs commands in sandboxes on this host, each under a supervisor that outlives this process."""

    @property
    def backend(self) -> str:
        """Name for evidence and policy, such as `bubblewrap`."""
        ...

    def grades(self) -> LimitGrades:
        """How strongly each limit holds on this host."""
        ...

    def runtime(self) -> str:
        """The program that makes sandboxes here, with its version; empty while that can't be found out."""
        ...

    def guarantees(self) -> Guarantees:
        """The grades, and what makes sandboxes here."""
        ...

    def system_of(self, image: str) -> str:
        """Names exactly the system that runs with this image have, since an environment layer fits no other.

        May take a moment. Empty if it is this host's own. Raises ImageRefused if runs here can't have the image.
        """
        ...

    def take_uid(self) -> int | None:
        """As root: an unprivileged uid nobody else on this host uses now. None when not root: no drop is needed.

        The holder gives it back with `give_back_uid`, or lets the run directories that name it be removed.
        """
        ...

    def give_back_uid(self, uid: int | None) -> None:
        """Free a uid after everything it owned is gone."""
        ...

    async def start(self, spec: SandboxSpec) -> None:
        """Start a run, or find the one that is there under the same id."""
        ...

    async def follow(self, run_id: str, offset: int, on_output: OnOutput) -> RunStatus:
        """Deliver output from `offset` until the run is over; attaching again later misses nothing."""
        ...

    async def arrivals(self, run_id: str) -> Arrivals:
        """When each part of a run's output arrived; empty if that is not known."""
        ...

    async def run(self, spec: SandboxSpec, max_output: int = 1024 * 1024) -> tuple[RunStatus, bytes]:
        """Start, wait, and return the status with the last `max_output` bytes of output; stops it if cancelled."""
        ...

    async def stop(self, run_id: str, reason: str) -> None:
        """End a run; its final status says STOPPED with the reason. Returns when every process is dead."""
        ...

    async def freeze(self, run_id: str) -> None:
        """Stop every process of a run where it is; its time does not go on either. Raises RunUnknown."""
        ...

    def stands_still(self, run_id: str) -> bool:
        """Whether every process of a frozen run has stopped."""
        ...

    async def vitals(self, run_id: str) -> Vitals:
        """Whether it prints, computes or stands still. Raises RunUnknown."""
        ...

    async def thaw(self, run_id: str) -> None:
        """Let a frozen run go on. Raises RunUnknown."""
        ...

    async def forget(self, run_id: str) -> None:
        """Remove the run's directory after it has ended, output included."""
        ...

    def known_runs(self) -> tuple[str, ...]:
        """Ids of all runs on this host that were not forgotten."""
        ...

    def live_runs(self) -> tuple[str, ...]:
        """Ids of those that have not ended."""
        ...

    def renew_lease(self) -> None:
        """Say that this host is in touch with Temporal; runs freeze, then end, when that is not said for long."""
        ...
