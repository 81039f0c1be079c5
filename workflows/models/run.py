"""Runs: one execution of one agent in one sandbox, and where it happened."""

from enum import StrEnum

from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model
from workflows.models.limits import LimitGrades
from workflows.models.usage import Metered


class RunEnd(StrEnum):
    """Why a sandbox ended."""

    EXITED = "exited"
    """The command ended by itself; see the exit code."""
    DEADLINE = "deadline"
    MEMORY = "memory"
    PROCESSES = "processes"
    DISK = "disk"
    OUTPUT = "output"
    STOPPED = "stopped"
    """Somebody asked: cancel, halt, or the end of the stack."""
    LEASE_LAPSED = "lease-lapsed"
    """The host lost touch with Temporal for longer than a lease."""
    NOT_STARTED = "not-started"
    """The sandbox itself could not be made; the detail says why."""
    TOOL_CALLS = "tool-calls"
    """As many tool calls as one run may make; a fresh one goes on with the work."""
    BUDGET = "budget"
    """A cap was reached and nobody let it go on."""
    PAUSED = "paused"
    """Not an end: the run stands still, at a cap or with a question about a host, until somebody answers."""
    HUNG = "hung"
    """It went on without getting anywhere, and was ended."""
    LOST = "lost"
    """The supervisor died without a final status, for example by SIGKILL."""


INTERRUPTED = frozenset({RunEnd.HUNG, RunEnd.DEADLINE, RunEnd.MEMORY, RunEnd.PROCESSES, RunEnd.DISK, RunEnd.OUTPUT})
"""Ends of a run that was not done, after which its work and its conversation can be gone on with."""


class HangKind(StrEnum):
    """How a command line can go on for ever without getting anywhere; the first that fits is named."""

    NO_EXIT = "no-exit"
    """It has reported its result, and does not end."""
    OUTPUT_FLOOD = "output-flood"
    """It prints without end."""
    RETRY_LOOP = "retry-loop"
    """Nothing but failures, such as of a model that can't be reached."""
    PERMISSION_PROMPT = "permission-prompt"
    """It waits for somebody to allow something, and there is nobody."""
    SILENT_START = "silent-start"
    """Nothing at all was printed since it was started, and it does nothing."""
    STALL = "stall"
    """Nothing is printed any more, and it does nothing."""


class Usage(Model):
    """What a sandbox used, as measured from outside."""

    wall_seconds: float = 0
    cpu_seconds: float = 0
    memory_peak_bytes: int = 0
    output_bytes: int = 0


class Placement(Model):
    """Where a task's workspace is. The epoch makes results of an earlier placement recognisable as stale."""

    host: str
    epoch: int = 1

    @property
    def queue(self) -> str:
        """The Temporal task queue of that host's workspace steps."""
        return host_queue(self.host)

    @property
    def control_queue(self) -> str:
        """The Temporal task queue that answers while all others are busy."""
        return host_control_queue(self.host)


def host_queue(host: str) -> str:
    """Task queue for steps that need a workspace on this host."""
    return f"host/{host}"


def host_control_queue(host: str) -> str:
    """Task queue for pings, with slots of its own."""
    return f"host/{host}/control"


class RunResult(Model):
    """What came of one agent run."""

    run_id: str
    end: RunEnd
    detail: str = ""
    exit_code: int | None = None
    hang: HangKind | None = None
    """How it hung, if it did."""
    succeeded: bool = False
    """The agent's own verdict by its result event; the patch is judged separately."""
    summary: str = ""
    """The agent's last message: its reasoning, shown in the PR as untrusted text."""
    transcript: ArtifactRef | None = None
    output: ArtifactRef | None = None
    """Raw output, as it came."""
    egress: ArtifactRef | None = None
    """JSON lines, one per request at the gateway, refused ones too."""
    egress_refused: tuple[str, ...] = ()
    """Hosts that were refused, for people to see; at most 20."""
    egress_wanted: tuple[str, ...] = ()
    """Of a run that stands still to have people asked: the hosts, each `name:port`; at most 20."""
    egress_allowed: tuple[str, ...] = ()
    """Hosts that people allowed beyond the policy's list, each with who did; at most 50."""
    usage: Usage = Usage()
    metered: Metered = Metered()
    """What it used of model providers, by the gateway's count."""
    tool_calls: int = 0
    """By the transcript."""
    lost: int = 0
    """How often its sandbox was lost."""
    handover: ArtifactRef | None = None
    """What a fresh run should know of this one, if it was ended before it was done."""
    grades: LimitGrades = LimitGrades()
    backend: str = "bubblewrap"
    runtime: str = ""
    """The program by which the backend made its sandbox, with its version."""
    agent: str = ""
    model: str = ""
    """That the agent was configured for; empty if none is named."""
    agent_version: str = ""
    """Of its command line, with its toolchain's hash; empty for a command of the owner's own."""
