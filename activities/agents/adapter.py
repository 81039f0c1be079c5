"""What the system needs to know about an agent's command line, whichever vendor it is from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from activities.sandbox.contract import INPUT, Mount
from workflows.models.base import Model
from workflows.models.run import RunEnd
from workflows.models.transcript import TranscriptEvent

PROMPT_NAME = "prompt.md"
PROMPT = f"{INPUT}/{PROMPT_NAME}"
"""Where the prompt is inside the sandbox."""


class Launch(Model):
    """How to start an agent in a sandbox."""

    command: tuple[str, ...]
    environment: dict[str, str] = {}
    mounts: tuple[Mount, ...] = ()


class Verdict(Model):
    """What an agent's run came to, by its own account; the patch is judged separately."""

    succeeded: bool
    detail: str = ""
    """Why not, or what was odd, in a sentence."""
    summary: str = ""
    """The agent's last words: untrusted text."""


class AgentAdapter(Protocol):
    """One agent, as configured."""

    @property
    def name(self) -> str:
        """Its name in journeyman.toml."""
        ...

    @property
    def credential(self) -> Literal["broker", "inside"]:
        """Whether the gateway adds the credential to requests, or it has to be inside the sandbox."""
        ...

    def launch(self, prompt_dir: Path) -> Launch:
        """How to start it. `prompt_dir`, on the host, holds PROMPT_NAME and is mounted at INPUT."""
        ...

    def read_events(self, line: bytes) -> list[TranscriptEvent]:
        """Read one line of its output. Never raises, whatever the line holds."""
        ...

    def judge(self, events: Sequence[TranscriptEvent], exit_code: int | None, end: RunEnd) -> Verdict:
        """What the run came to."""
        ...
