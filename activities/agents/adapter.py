"""What the system needs to know about an agent's command line, whichever vendor it is from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from activities.egress.contract import BrokeredService
from activities.sandbox.contract import INPUT, Mount
from workflows.models.base import Model
from workflows.models.run import HangKind, RunEnd
from workflows.models.transcript import TranscriptEvent

PROMPT_NAME = "prompt.md"
PROMPT = f"{INPUT}/{PROMPT_NAME}"
"""Where the prompt is inside the sandbox."""
TOOLCHAIN = "/opt/journeyman/agent"
"""Where an agent's toolchain is inside, read-only; its programs are in `bin` below."""
SESSION = "/run/session"
"""Where a session that is kept between runs is inside."""


class Toolchain(Model):
    """Programs that are installed from npm, by the lock in infra/agents/<name>."""

    name: str
    programs: dict[str, str]
    """Name to a glob below the toolchain's root that matches exactly one file: the platform's own program."""


class Hang(Model):
    """One way in which a command line is known to hang, and after how long it counts as that."""

    kind: HangKind
    seconds: float
    """More than 0; of the run's own time, in which it did not stand still."""


def hangs_of(known: Mapping[HangKind, float], stated: Mapping[HangKind, float]) -> tuple[Hang, ...]:
    """What is known of a command line, with what its owner states instead; 0 is never."""
    return tuple(Hang(kind=kind, seconds=seconds) for kind, seconds in {**known, **stated}.items() if seconds)


class Session(Model):
    """A conversation that is kept on the host between runs."""

    directory: Path
    """Mounted writable at SESSION; belongs to the sandbox's uid."""
    resume: str = ""
    """The CLI's own id of the session to go on with; empty begins one."""


class Launch(Model):
    """How to start an agent in a sandbox."""

    command: tuple[str, ...]
    environment: dict[str, str] = {}
    mounts: tuple[Mount, ...] = ()


class Verdict(Model):
    """What an agent's run came to, by its own account; the patch is judged separately."""

    succeeded: bool
    detail: str = ""
    """Why not, or what was odd, in a sentence that says what to do."""
    summary: str = ""
    """The agent's last words: untrusted text."""


class AgentAdapter(Protocol):
    """One agent, as configured."""

    @property
    def name(self) -> str:
        """Its name in journeyman.toml."""
        ...

    @property
    def model(self) -> str:
        """The model that it is configured for; empty if none is named."""
        ...

    @property
    def credential(self) -> Literal["broker", "inside"]:
        """Whether the gateway adds the credential to requests, or it has to be inside the sandbox."""
        ...

    @property
    def toolchain(self) -> Toolchain | None:
        """What has to be installed on the host, and is then mounted at TOOLCHAIN; None if nothing has."""
        ...

    @property
    def services(self) -> tuple[BrokeredService, ...]:
        """The model provider, as the gateway lets this agent's sandbox reach it."""
        ...

    @property
    def hangs(self) -> tuple[Hang, ...]:
        """How it is known to hang."""
        ...

    def launch(self, prompt_dir: Path, session: Session | None = None) -> Launch:
        """How to start it. `prompt_dir`, on the host, holds PROMPT_NAME and is mounted at INPUT.

        Without a session the conversation is gone with the sandbox.
        """
        ...

    def read_events(self, line: bytes) -> list[TranscriptEvent]:
        """Read one line of its output. Never raises, whatever the line holds."""
        ...

    def judge(self, events: Sequence[TranscriptEvent], exit_code: int | None, end: RunEnd) -> Verdict:
        """What the run came to."""
        ...
