"""What the scripted model says: turns of text and tool calls, whichever dialect they are asked for in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from activities.sandbox.contract import WORKSPACE


@dataclass(frozen=True)
class Write:
    """Write a whole file, by the CLI's own tool for that where it has one."""

    path: str
    content: str


@dataclass(frozen=True)
class Read:
    """Read a file, by the CLI's own tool for that where it has one; some want that before they write over it."""

    path: str


@dataclass(frozen=True)
class Shell:
    """Run a command, by the CLI's own tool for that."""

    command: str


@dataclass(frozen=True)
class Call:
    """Call a tool by its exact name."""

    tool: str
    arguments: dict[str, Any]


Action = Write | Read | Shell | Call


@dataclass(frozen=True)
class Usage:
    """Tokens that an answer states."""

    input: int = 1000
    output: int = 50
    cache_read: int = 200


@dataclass(frozen=True)
class Turn:
    """One answer. It ends the conversation if it calls no tool."""

    text: str = ""
    actions: tuple[Action, ...] = ()
    usage: Usage = Usage()
    refuses: bool = False


class Trouble(StrEnum):
    """What can go wrong with an answer."""

    RATE_LIMITED = "429 with retry-after"
    OVERLOADED = "529"
    SERVER_ERROR = "500"
    STALL = "headers, then nothing"
    GARBAGE = "an event stream that is none"
    RESET = "a connection that is reset in the middle"
    SLOW = "one event at a time"


ROOT = WORKSPACE
"""Where the workspace is inside."""
FEEDBACK = "not accepted"
"""What a prompt says that carries the findings of an evaluation."""
INTERRUPTED = "You were interrupted"
"""What a prompt says to an agent that goes on where a run was ended or lost."""


@dataclass
class Script:
    """Turns in order, and others for prompts that say something else; the last that people said counts."""

    turns: Sequence[Turn]
    after_feedback: Sequence[Turn] = ()
    """Where the prompt carries an evaluation's findings."""
    after_interruption: Sequence[Turn] = ()
    """Where it says that the agent goes on."""
    stall_at: int | None = None
    """How often the model has answered when it stalls, before any interruption."""
    troubles: list[Trouble] = field(default_factory=list)
    """Of the first answers, one each."""
    always: Trouble | None = None
    """Of every answer after those."""
    slow_seconds: float = 0.2
    """Before each event of one that is slow."""

    def turn(self, prompt: str, answered: int) -> Turn:
        """The answer to a prompt after which the model has answered so many times already."""
        turns = self.turns
        if self.after_feedback and FEEDBACK in prompt:
            turns = self.after_feedback
        if self.after_interruption and INTERRUPTED in prompt:
            turns = self.after_interruption
        return turns[answered] if answered < len(turns) else Turn(text="There is nothing more to do.")

    def stalls(self, prompt: str, answered: int) -> bool:
        """Whether the model says nothing more here."""
        return answered == self.stall_at and INTERRUPTED not in prompt

    def next_trouble(self) -> Trouble | None:
        return self.troubles.pop(0) if self.troubles else self.always


def tool_call(action: Action, offered: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the tool that does it, among those a CLI offers.

    Raises LookupError if it offers none, so that a renamed tool fails a test loudly.
    """
    if isinstance(action, Call):
        return action.tool, action.arguments
    if isinstance(action, Read):
        path = f"{ROOT}/{action.path}"
        if "Read" in offered:
            return "Read", {"file_path": path}
        if "read" in offered:
            return "read", {"filePath": path}
        action = Shell(f"cat '{path}'")
    if isinstance(action, Write):
        path = f"{ROOT}/{action.path}"
        if "Write" in offered:
            return "Write", {"file_path": path, "content": action.content}
        if "write" in offered:
            return "write", {"filePath": path, "content": action.content}
        # Without a tool for files, the model uses the shell.
        action = Shell(f"mkdir -p $(dirname '{path}'); cat > '{path}' <<'END'\n{action.content}END")
    if "Bash" in offered:
        return "Bash", {"command": action.command, "description": "run a command"}
    if "bash" in offered:
        return "bash", {"command": action.command, "description": "run a command"}
    if "exec_command" in offered:
        return "exec_command", {"cmd": action.command}
    if "shell_command" in offered:
        return "shell_command", {"command": action.command}
    if "shell" in offered:
        return "shell", {"command": ["bash", "-c", action.command]}
    raise LookupError(f"no tool for {action!r} among {sorted(offered)}")
