"""The three owners' files as they are written: `journeyman.toml`, `security.toml` and `.journeyman/team.toml`.

Unknown keys are errors: a misspelt limit that is ignored is a limit that does not hold. A key that is left out sets
nothing; activities/policy/combine.py says what then holds.
"""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pathspec import GitIgnoreSpec
from pydantic import AfterValidator, ByteSize, Field, field_validator, model_validator

from activities.egress.contract import UsageDialect
from activities.egress.rules import Rule, RuleRefused
from activities.policy.budgets import BudgetTable
from activities.policy.document import Document
from activities.sandbox.contract import INPUT, LAYER, WORKSPACE
from workflows.models.limits import Grade, LimitGrades, Limits

PERSON_ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def _pattern(text: str) -> str:
    if not text.strip() or text.startswith("!"):
        raise ValueError("write a gitignore-style pattern such as `src/` or `*.md`, without a leading `!`")
    try:
        GitIgnoreSpec.from_lines([text])
    except ValueError as error:
        raise ValueError(f"{text!r} is not a gitignore-style pattern: {error}") from error
    return text


def _host(text: str) -> str:
    try:
        Rule.parse(text)
    except RuleRefused as error:
        raise ValueError(str(error)) from error
    return text.strip().lower()


def _relative(text: str) -> str:
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{text!r} must be a path inside the repository, without `..`")
    return text


Patterns = tuple[Annotated[str, AfterValidator(_pattern)], ...]
Hosts = tuple[Annotated[str, AfterValidator(_host)], ...]
RelativePath = Annotated[str, AfterValidator(_relative)]
PersonId = Annotated[str, Field(pattern=PERSON_ID)]
Someone = Annotated[tuple[PersonId, ...], Field(min_length=1)]
"""At least one: an empty list would read as nobody to one person and as everybody to another."""


class LimitTable(Document):
    """Limits of one kind of sandbox, each optional. Sizes are bytes or text such as `"512 MiB"`."""

    wall_seconds: float | None = Field(default=None, gt=0)
    memory_bytes: ByteSize | None = Field(default=None, gt=0)
    processes: int | None = Field(default=None, gt=0)
    cpus: float | None = Field(default=None, gt=0)
    disk_bytes: ByteSize | None = Field(default=None, gt=0)
    file_bytes: ByteSize | None = Field(default=None, gt=0)
    scratch_bytes: ByteSize | None = Field(default=None, gt=0)
    output_bytes: ByteSize | None = Field(default=None, gt=0)

    def tighten(self, limits: Limits) -> Limits:
        """The stricter of both, limit by limit."""
        stated = self._stated()
        return limits.model_copy(update={name: min(getattr(limits, name), value) for name, value in stated.items()})

    def replace(self, limits: Limits) -> Limits:
        """These limits, and the given ones where none is stated: only for the owner of the defaults."""
        return limits.model_copy(update=self._stated())

    def _stated(self) -> dict[str, int | float]:
        # ByteSize is an int that shows itself in units; limits are compared and hashed as plain numbers.
        return {name: value if isinstance(value, float) else int(value) for name, value in self if value is not None}


class LimitTables(Document):
    """Limits by kind of sandbox."""

    run: LimitTable = LimitTable()
    """The agent's own."""
    check: LimitTable = LimitTable()
    """One check of one tree."""
    setup: LimitTable = LimitTable()
    """Making an environment layer."""

    def of(self, kind: Literal["run", "check", "setup"]) -> LimitTable:
        """The table of one kind of sandbox."""
        return {"run": self.run, "check": self.check, "setup": self.setup}[kind]


class AgentMount(Document):
    """A directory of this machine, read-only inside."""

    source: Path
    target: str

    @model_validator(mode="after")
    def _stays_out_of_the_way(self) -> "AgentMount":
        target = PurePosixPath(self.target)
        if not self.source.is_absolute() or not target.is_absolute() or ".." in target.parts:
            raise ValueError("source and target must be absolute paths without `..`")
        own = (WORKSPACE, INPUT, LAYER, "/proc", "/dev", "/sys", "/etc", "/run/egress")
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
    environment: dict[str, str] = {}
    egress: Hosts = ()
    """What this agent's sandbox may reach."""
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


class PersonEntry(Document):
    """Accounts of one person: `[people.ID]`. Requester and approver are compared by the id."""

    os: str = ""
    slack: str = ""
    linear: str = ""
    github: str = ""
    mail: str = ""
    name: str = ""
    """For display."""


class EgressTable(Document):
    """Names that sandboxes may reach."""

    hosts: Hosts | None = None


class EgressCeiling(Document):
    """The most that any file may allow."""

    allow: Hosts | None = None
    """Left out, there is no ceiling; empty, nothing may be reached."""


class PlatformPolicy(Document):
    """`journeyman.toml`: agents, limits and defaults."""

    profile: Literal["local", "team"] = "local"
    default_agent: str = ""
    """Left out, it is the only agent there is."""
    agents: dict[Annotated[str, Field(pattern=NAME)], AgentEntry] = {}
    providers: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")], ProviderEntry] = {}
    egress: EgressTable = EgressTable()
    """What every agent may reach, beside its own."""
    limits: LimitTables = LimitTables()
    budget: BudgetTable = BudgetTable()
    feedback_rounds: int = Field(default=2, ge=0, le=10)
    """How often a failing evaluation goes back to the agent before a person is asked."""
    tool_calls: int = Field(default=40, gt=0)
    """Of one run; a fresh run goes on with the work, since an agent's memory of a long run is not to be relied on."""
    runs_per_round: int = Field(default=4, gt=0, le=50)
    """How many such runs follow each other before a person is asked."""
    max_changed_lines: int = Field(default=2000, gt=0)
    max_patch_bytes: ByteSize = Field(default=ByteSize(5 * 1024 * 1024), gt=0)
    allow_self_approval: bool = False
    """Whether who asked may also decide; only in the local profile, for one person alone."""
    carry_over: bool = True
    people: dict[PersonId, PersonEntry] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> "PlatformPolicy":
        if self.allow_self_approval and self.profile != "local":
            raise ValueError('allow_self_approval is only for profile = "local": in a team somebody else decides')
        if self.default_agent and self.default_agent not in self.agents:
            raise ValueError(f"default_agent = {self.default_agent!r}, but there is no [agents.{self.default_agent}]")
        for name, agent in self.agents.items():
            if agent.provider and agent.provider not in self.providers:
                raise ValueError(
                    f"agents.{name}.provider = {agent.provider!r}, but there is no [providers.{agent.provider}]"
                )
        for system in ("os", "slack", "linear", "github", "mail"):
            taken: dict[str, str] = {}
            for person, entry in self.people.items():
                account = getattr(entry, system)
                other = taken.setdefault(account, person) if account else person
                if other != person:
                    raise ValueError(f"people.{other} and people.{person} share the {system} account {account!r}")
        return self


class SecurityPolicy(Document):
    """`security.toml`: ceilings, and who may do what. Everything in it only ever restricts."""

    egress: EgressCeiling = EgressCeiling()
    limits: LimitTables = LimitTables()
    forbidden: Patterns = ()
    """Paths no agent may touch in any repository."""
    max_changed_lines: int | None = Field(default=None, gt=0)
    max_patch_bytes: ByteSize | None = Field(default=None, gt=0)
    budget: BudgetTable = BudgetTable()
    feedback_rounds: int | None = Field(default=None, ge=0, le=10)
    tool_calls: int | None = Field(default=None, gt=0)
    runs_per_round: int | None = Field(default=None, gt=0, le=50)
    allow_self_approval: bool | None = None
    carry_over: bool | None = None
    invoke: Someone | None = None
    """Ids of persons who may ask for work; left out, everybody who is known."""
    approve: Someone | None = None
    """Ids of persons who may decide."""
    spend: Someone | None = None
    """Ids of persons who may let a day's budget be exceeded; left out, anybody but the requester."""
    promote: Someone | None = None
    halt: Someone | None = None
    required_grades: dict[str, Grade] = {}
    """Limit name to the least grade that a host must have, such as `memory = "kernel"`."""
    credentials_inside: tuple[str, ...] = ()
    """Agents whose credential may be in their sandbox."""

    @field_validator("required_grades")
    @classmethod
    def _known_limits(cls, grades: dict[str, Grade]) -> dict[str, Grade]:
        return known_grades(grades)


class CheckEntry(Document):
    """One command that judges a patch: `[[checks]]`."""

    name: str = Field(pattern=r"^[^\x00-\x1f:]{1,80}$")
    command: Annotated[str, Field(min_length=1, max_length=4000)]
    junit: Annotated[str, AfterValidator(lambda text: _relative(text) if text else text)] = ""


class SetupTable(Document):
    """How the environment layer is made. Without commands there is none, and none is detected."""

    commands: tuple[str, ...] = ()
    lock_files: tuple[RelativePath, ...] = ()


class TaskTypeTable(Document):
    """What holds for one task type beside all else: `[task_types.NAME]`. An unknown name defines a new type."""

    description: str = ""
    scope: Patterns = ()
    forbidden: Patterns = ()
    max_changed_lines: int | None = Field(default=None, gt=0)


class TeamPolicy(Document):
    """`.journeyman/team.toml`, as it is on the base commit. It can tighten, not loosen."""

    team: Annotated[str, Field(pattern=NAME)] | None = None
    """Whose budget of the day this repository's tasks use; left out, the repository's own."""
    checks: Annotated[tuple[CheckEntry, ...], Field(min_length=1)] | None = None
    """Left out, they are detected."""
    setup: SetupTable | None = None
    """Left out, it is detected."""
    check_definitions: Patterns = ()
    test_paths: Patterns = ()
    scope: Patterns = ()
    forbidden: Patterns = ()
    reviewers: tuple[PersonId, ...] = ()
    max_changed_lines: int | None = Field(default=None, gt=0)
    max_patch_bytes: ByteSize | None = Field(default=None, gt=0)
    budget: BudgetTable = BudgetTable()
    feedback_rounds: int | None = Field(default=None, ge=0, le=10)
    tool_calls: int | None = Field(default=None, gt=0)
    runs_per_round: int | None = Field(default=None, gt=0, le=50)
    carry_over: bool | None = None
    allow_self_approval: bool | None = None
    egress: EgressTable = EgressTable()
    limits: LimitTables = LimitTables()
    required_grades: dict[str, Grade] = {}
    task_types: dict[Annotated[str, Field(pattern=NAME)], TaskTypeTable] = {}

    @field_validator("required_grades")
    @classmethod
    def _known_limits(cls, grades: dict[str, Grade]) -> dict[str, Grade]:
        return known_grades(grades)

    @field_validator("checks")
    @classmethod
    def _names_differ(cls, checks: tuple[CheckEntry, ...] | None) -> tuple[CheckEntry, ...] | None:
        names = [check.name for check in checks or ()]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two checks are named {min(twice)!r}; give each its own name")
        return checks


def known_grades(grades: dict[str, Grade]) -> dict[str, Grade]:
    """Refuse a grade for a limit that does not exist: nothing would ever be held against it."""
    for name in grades:
        if name not in LimitGrades.model_fields:
            raise ValueError(f"{name!r} is not a limit; there are " + ", ".join(LimitGrades.model_fields))
    return grades
