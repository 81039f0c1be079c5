"""The three owners' files as they are written: `journeyman.toml`, `security.toml` and `.journeyman/team.toml`.

Unknown keys are errors: a misspelt limit that is ignored is a limit that does not hold. A key that is left out sets
nothing; activities/policy/combine.py says what then holds.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field, field_validator, model_validator

from activities.policy.agent_tables import AgentEntry, ProviderEntry
from activities.policy.budgets import BudgetTable
from activities.policy.document import Document
from activities.policy.drill_table import DrillTable
from activities.policy.gate_tables import GateTable, GateTightening
from activities.policy.github_table import GitHubTable
from activities.policy.limit_tables import LimitTables
from activities.policy.linear_table import LinearTable
from activities.policy.sandbox_tables import Image, SandboxTable
from activities.policy.slack_table import SlackTable
from activities.policy.written_values import (
    NAME,
    Hosts,
    PackageNames,
    Patterns,
    PersonId,
    RelativePath,
    Someone,
    relative,
)
from workflows.models.limits import Grade, LimitGrades
from workflows.models.policy import EgressProfile, RegistryReach


class PersonEntry(Document):
    """Accounts of one person: `[people.ID]`. Requester and approver are compared by the id."""

    os: str = ""
    """User name on this machine."""
    slack: str = ""
    """Slack user id, such as `U0123ABCD`."""
    linear: str = ""
    """Linear user id."""
    github: str = ""
    """GitHub login."""
    github_id: int = Field(default=0, ge=0)
    """Number of that account; stated, whoever takes over the login after it was given up is somebody else."""
    mail: str = ""
    """Address, as in commits."""
    name: str = ""
    """For display."""


class EgressTable(Document):
    """Names that sandboxes may reach."""

    profile: EgressProfile | None = None
    """`none`, `model-only`, `listed` or `model+registry`, which is what this machine's pip and npm are configured for.
    The strictest counts; where the platform states none, that is `listed`."""
    hosts: Hosts | None = None
    """Such as `pypi.org`, `*.example.com` or `example.com:8443`."""
    ask: bool | None = None
    """Whether a run that is refused a host stands still while people are asked about it, where the profile lists hosts
    at all. Left out by the platform, that is `false`; all must allow it."""


class EgressCeiling(Document):
    """The most that any file may allow."""

    profile: EgressProfile | None = None
    """The widest that counts."""
    allow: Hosts | None = None
    """Left out, there is no ceiling; empty, no host may be reached but a model's."""
    ask: bool | None = None
    """`false` forbids that people are asked about hosts, whatever the platform allows."""


class PlatformPolicy(Document):
    """`journeyman.toml`: agents, limits and defaults."""

    profile: Literal["local", "team"] = "local"
    """`local`: whoever is this OS user is trusted, under any name. `team`: people are told apart by `[people]`."""
    default_agent: str = ""
    """Left out, it is the only agent there is."""
    agents: dict[Annotated[str, Field(pattern=NAME)], AgentEntry] = {}
    providers: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")], ProviderEntry] = {}
    egress: EgressTable = EgressTable()
    """What every agent may reach, beside its own."""
    sandbox: SandboxTable = SandboxTable()
    limits: LimitTables = LimitTables()
    budget: BudgetTable = BudgetTable()
    gate: GateTable = GateTable()
    drill: DrillTable | None = None
    github: GitHubTable | None = None
    slack: SlackTable | None = None
    linear: LinearTable | None = None
    signing_key: Path | None = None
    """A file with an SSH private key (Ed25519, no passphrase) by which commits that are made here are signed."""
    feedback_rounds: int = Field(default=2, ge=0, le=10)
    """How often a failing evaluation goes back to the agent before a person is asked."""
    tool_calls: int = Field(default=40, gt=0)
    """Of one run; a fresh run goes on with the work, since an agent's memory of a long run is not to be relied on."""
    runs_per_round: int = Field(default=4, gt=0, le=50)
    """How many such runs follow each other before a person is asked."""
    continues: int = Field(default=3, ge=0, le=50)
    """How often people may let a task go on after hangs and limits of its runs, each time with a run's limits anew."""
    repeats: int = Field(default=1, ge=0, le=5)
    """How often a check in which tests turned or broke is run again, on base and on the patch: flaky, or not?"""
    mutation_seconds: float = Field(default=120, ge=0, le=3600)
    """What one evaluation may take to see which changed lines checks run, and whether they notice faults in them; 0 is
    not at all."""
    max_changed_lines: int = Field(default=2000, gt=0)
    """Of a patch, added and removed; one with more is not accepted."""
    max_patch_bytes: ByteSize = Field(default=ByteSize(5 * 1024 * 1024), gt=0)
    """Of a patch as a diff; a larger one is not accepted."""
    allow_self_approval: bool = False
    """Whether who asked may also decide; only in the local profile, for one person alone."""
    carry_over: bool = True
    """Whether an approval stays when base moves and nothing about the patch is new."""
    people: dict[PersonId, PersonEntry] = {}
    groups: dict[str, tuple[PersonId, ...]] = {}
    """Who is behind a team that CODEOWNERS names, such as `"acme/payments" = ["ada", "grace"]`."""

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
                account = getattr(entry, system).lower() if system == "github" else getattr(entry, system)
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
    """The smallest that any file states counts."""
    max_patch_bytes: ByteSize | None = Field(default=None, gt=0)
    """The smallest that any file states counts."""
    budget: BudgetTable = BudgetTable()
    gate: GateTightening = GateTightening()
    feedback_rounds: int | None = Field(default=None, ge=0, le=10)
    """The smallest that any file states counts."""
    tool_calls: int | None = Field(default=None, gt=0)
    """The smallest that any file states counts."""
    runs_per_round: int | None = Field(default=None, gt=0, le=50)
    """The smallest that any file states counts."""
    continues: int | None = Field(default=None, ge=0, le=50)
    """The smallest that any file states counts."""
    repeats: int | None = Field(default=None, ge=0, le=5)
    """The largest that any file states counts."""
    mutation_seconds: float | None = Field(default=None, ge=0, le=3600)
    """The largest that any file states counts."""
    allow_self_approval: bool | None = None
    """`false` forbids it, whatever the platform allows."""
    carry_over: bool | None = None
    """`false` forbids it, whatever the platform allows."""
    install_scripts: bool | None = None
    """`false` forbids that packages run code of their own while a set-up installs them."""
    registry: Literal[RegistryReach.LOCKED] | None = None
    """`locked` forbids set-ups that may fetch any package of a registry."""
    packages: PackageNames | None = None
    """The most, by name, that a task type or a person may let a patch bring by its lock files; left out, any."""
    invoke: Someone | None = None
    """Ids of persons who may ask for work; left out, everybody who is known."""
    approve: Someone | None = None
    """Ids of persons who may decide."""
    spend: Someone | None = None
    """Ids of persons who may let a day's budget be exceeded; left out, anybody but the requester."""
    promote: Someone | None = None
    """Ids of persons who may give a kind of task more trust."""
    halt: Someone | None = None
    """Ids of persons who may stop all work."""
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
    """Shown to people, and different for each check."""
    command: Annotated[str, Field(min_length=1, max_length=4000)]
    """Run by a shell in the root of the repository; exit code 0 is success."""
    junit: Annotated[str, AfterValidator(lambda text: relative(text) if text else text)] = ""
    """Path of the JUnit report that it leaves, if it leaves one."""


class SetupTable(Document):
    """How the environment layer is made. Without commands there is none, and none is detected."""

    commands: tuple[str, ...] = ()
    """Run one after the other, with the registries as the only way out."""
    lock_files: tuple[RelativePath, ...] = ()
    """Files that decide what is installed: the layer is made anew when one changes."""
    install_scripts: bool = False
    """Whether packages may run code of their own while they are installed. Left off, npm runs no script of a package,
    and pip takes wheels only."""
    registry: RegistryReach = RegistryReach.LOCKED
    """`locked`: the set-up gets the packages that `lock_files` pin, and none else. `whole`: any package."""


class LicenceHeaderEntry(Document):
    """A header that new files must have, and that no file may lose: `[[licence_headers]]`."""

    paths: Annotated[Patterns, Field(min_length=1)]
    """Of the files, such as `*.py`."""
    text: str = Field(min_length=1, max_length=4000)
    """What stands in their first 40 lines, without comment characters; `{year}` is any year or range of years."""


class TaskTypeTable(Document):
    """What holds for one task type beside all else: `[task_types.NAME]`. An unknown name defines a new type."""

    description: str = ""
    """What it is, for people."""
    scope: Patterns = ()
    """Paths that it may touch; left out, those of the whole repository."""
    forbidden: Patterns = ()
    """Paths that it may not touch."""
    packages: PackageNames = ()
    """Names, such as `requests` or `@types/*`, of packages that its patches may bring without anybody being asked."""
    max_changed_lines: int | None = Field(default=None, gt=0)
    """The smallest that any file states counts."""


class TeamPolicy(Document):
    """`.journeyman/team.toml`, as it is on the base commit. It can tighten, not loosen."""

    team: Annotated[str, Field(pattern=NAME)] | None = None
    """Whose budget of the day this repository's tasks use; left out, the repository's own."""
    image: Image | None = None
    """The image that this repository's sandboxes have, one that journeyman.toml allows; left out, the platform's."""
    checks: Annotated[tuple[CheckEntry, ...], Field(min_length=1)] | None = None
    """Left out, they are detected."""
    setup: SetupTable | None = None
    """Left out, it is detected."""
    check_definitions: Patterns = ()
    """Paths that define how checks run, beside those that are known; a change there needs a person."""
    test_paths: Patterns = ()
    """Paths of tests, beside those that are known; a patch is also judged with base's."""
    licence_headers: Annotated[tuple[LicenceHeaderEntry, ...], Field(max_length=20)] = ()
    scope: Patterns = ()
    """Paths that agents may touch; left out, all."""
    forbidden: Patterns = ()
    """Paths that agents may not touch."""
    reviewers: tuple[PersonId, ...] = ()
    """Ids of the only persons who may decide; left out, anybody who may at all."""
    max_changed_lines: int | None = Field(default=None, gt=0)
    """The smallest that any file states counts."""
    max_patch_bytes: ByteSize | None = Field(default=None, gt=0)
    """The smallest that any file states counts."""
    budget: BudgetTable = BudgetTable()
    gate: GateTightening = GateTightening()
    feedback_rounds: int | None = Field(default=None, ge=0, le=10)
    """The smallest that any file states counts."""
    tool_calls: int | None = Field(default=None, gt=0)
    """The smallest that any file states counts."""
    runs_per_round: int | None = Field(default=None, gt=0, le=50)
    """The smallest that any file states counts."""
    continues: int | None = Field(default=None, ge=0, le=50)
    """The smallest that any file states counts."""
    repeats: int | None = Field(default=None, ge=0, le=5)
    """The largest that any file states counts."""
    mutation_seconds: float | None = Field(default=None, ge=0, le=3600)
    """The largest that any file states counts."""
    carry_over: bool | None = None
    """`false` forbids it, whatever the platform allows."""
    allow_self_approval: bool | None = None
    """`false` forbids it, whatever the platform allows."""
    egress: EgressTable = EgressTable()
    limits: LimitTables = LimitTables()
    required_grades: dict[str, Grade] = {}
    """Limit name to the least grade that a host must have, such as `memory = "kernel"`."""
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
