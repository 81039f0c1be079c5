"""The `[agents]` and `[providers]` tables of journeyman.toml."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from activities.egress.contract import UsageDialect
from activities.policy.document import Document
from activities.policy.written_values import NAME, Hosts
from activities.sandbox.contract import INPUT, LAYER, WORKSPACE
from workflows.models.run import HangKind


class AgentMount(Document):
    """A directory of this machine, read-only inside."""

    source: Path
    """Absolute path on this machine."""
    target: str
    """Where it is inside, such as `/opt/agent`."""

    @model_validator(mode="after")
    def _stays_out_of_the_way(self) -> "AgentMount":
        target = PurePosixPath(self.target)
        if not self.source.is_absolute() or not target.is_absolute() or ".." in target.parts:
            raise ValueError("source and target must be absolute paths without `..`")
        own = (WORKSPACE, INPUT, LAYER, "/proc", "/dev", "/sys", "/etc", "/run/egress", "/run/supervisor")
        if str(target) == "/" or any(target.is_relative_to(taken) for taken in own):
            raise ValueError(f"target {self.target} is a place of the sandbox's own; use one such as /opt/agent")
        return self


class KeySource(Document):
    """Where the gateway finds a provider's key: exactly one of the three."""

    environment: str = ""
    """Name of a variable in the environment of the worker."""
    file: Path | None = None
    """A file that holds the key and nothing else; read again when it changes."""
    command: tuple[str, ...] = ()
    """A command that prints the key, run without a shell, and again after `seconds`."""
    seconds: float = Field(default=3000, gt=0)
    """How long a key that a command printed may be used."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "KeySource":
        if sum(bool(source) for source in (self.environment, self.file, self.command)) != 1:
            raise ValueError("give one of `environment`, `file` and `command`: where the gateway finds the key")
        return self


class PriceEntry(Document):
    """What a model costs, in US dollars per million tokens."""

    input: float = Field(ge=0)
    """Of a prompt."""
    output: float = Field(ge=0)
    """Of what the model says, its reasoning included."""
    cache_read: float | None = Field(default=None, ge=0)
    """Left out, as `input`."""
    cache_write: float | None = Field(default=None, ge=0)
    """Left out, as `input`."""


class ProviderEntry(Document):
    """A model provider that agents reach through the gateway: `[providers.NAME]`."""

    url: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$")]
    """Base address, such as `https://api.anthropic.com`."""
    key: KeySource | None = None
    """Left out, requests carry no credential: for a model on a network of one's own."""
    private: bool = False
    """Whether its name may lead to a private or loopback address: for a model on a network of one's own."""
    prices: dict[str, PriceEntry] = {}
    """By model; beside and above the vendors' list prices that come with the program. With `private` these alone
    count, and a provider that states none costs nothing."""


class HangTable(Document):
    """After how many seconds an agent counts as hanging, in each way; 0 is never, left out it is its adapter's own.

    Time in which a run stands still does not count.
    """

    silent_start: float | None = Field(default=None, ge=0)
    """It has printed nothing since its start, computes nothing and asks its model nothing."""
    stall: float | None = Field(default=None, ge=0)
    """The same later on. A test run that is silent computes, and a model that thinks is heard at the gateway."""
    no_exit: float | None = Field(default=None, ge=0)
    """It has reported its result and goes on; ten times this if it computes."""
    retry_loop: float | None = Field(default=None, ge=0)
    """All its requests to its model fail, or it reports nothing but errors; at least three."""
    permission_prompt: float | None = Field(default=None, ge=0)
    """Its last line asks somebody to allow something."""
    output_flood: float | None = Field(default=None, ge=0)
    """It prints more than 256 KiB a second for so long."""

    def stated(self) -> dict[HangKind, float]:
        """What is stated here, in seconds."""
        return {HangKind(name.replace("_", "-")): value for name, value in self if value is not None}


class AgentEntry(Document):
    """One agent that tasks may name: `[agents.NAME]`."""

    adapter: str = Field(default="command", pattern=NAME)
    """`claude-code`, `codex`, `opencode`, or `command` for any other program."""
    command: tuple[str, ...] = ()
    """For `command` alone, and needed there: started without a shell, each word as it is."""
    arguments: tuple[str, ...] = ()
    """Given to the command line beside its adapter's own."""
    provider: str = ""
    """Which of `[providers.NAME]` it asks; left out, `command` reaches none."""
    model: str = ""
    """The model's name, as the provider knows it."""
    dialect: UsageDialect | None = None
    """What it speaks to the provider, where the adapter leaves a choice: `opencode` and `command`, which speak
    `openai-chat` unless told otherwise."""
    mounts: tuple[AgentMount, ...] = ()
    """Directories of this machine that it needs, read-only."""
    environment: dict[str, str] = {}
    """Variables of its process; no credential, which the gateway adds outside."""
    egress: Hosts = ()
    """What this agent's sandbox may reach."""
    hangs: HangTable = HangTable()
    credential: Literal["broker", "inside"] = "broker"
    """`inside` puts the credential in the environment; security.toml must name the agent in `credentials_inside`."""

    @model_validator(mode="after")
    def _no_secret_in_the_environment(self) -> "AgentEntry":
        for name, value in self.environment.items():
            if "=" in name or "\0" in name + value or not name:
                raise ValueError(f"environment.{name!r} is not a name and value that a process can have")
            telling = any(word in name.upper() for word in ("API_KEY", "TOKEN", "SECRET", "PASSWORD"))
            if telling and self.credential == "broker" and value not in ("", "placeholder"):
                raise ValueError(
                    f"environment.{name} looks like a credential, and none may be inside the sandbox: write "
                    "`placeholder` and let the gateway add the real one"
                )
        return self
