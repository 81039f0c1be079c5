"""The policy that applies to one task: platform, security and team files combined, the strictest winning."""

from enum import StrEnum

from pydantic import Field

from workflows.models.base import Model
from workflows.models.gate import GateRules
from workflows.models.limits import Limits
from workflows.models.usage import Budget


class EgressProfile(StrEnum):
    """How far an agent's way out may lead; each allows what the one before it does, and more."""

    NONE = "none"
    """Nowhere, not even to a model."""
    MODEL_ONLY = "model-only"
    """To its model provider."""
    LISTED = "listed"
    """To the hosts that policy lists, too."""
    REGISTRY = "model+registry"
    """To the registries too that this machine's pip and npm are configured for."""

    @property
    def rank(self) -> int:
        """Position in this order."""
        return list(EgressProfile).index(self)


class Check(Model):
    """One command of the repository's own that judges a patch."""

    name: str
    command: str
    """Run by `sh -c` at the repository's root, in a sandbox without network."""
    junit: str = ""
    """Glob of JUnit XML files the command writes, relative to the root; empty if it writes none."""


class RegistryReach(StrEnum):
    """What a set-up may fetch from package registries."""

    LOCKED = "locked"
    """The files that its lock files pin, by path."""
    WHOLE = "whole"
    """Whatever registries have: they are reached by name, and what is asked there is not seen."""


class Setup(Model):
    """How the environment layer is made: run once per hash, in a sandbox that reaches package registries only."""

    commands: tuple[str, ...] = ()
    """Run in order by `sh -c` in a copy of base; whatever they put under $JOURNEYMAN_LAYER is the layer."""
    lock_files: tuple[str, ...] = ()
    """Files that pin what gets installed; part of the layer's hash."""
    install_scripts: bool = False
    """Whether packages may run code of their own while they are installed."""
    registry: RegistryReach = RegistryReach.LOCKED


class LicenceHeader(Model):
    """A header that files have to have."""

    paths: tuple[str, ...]
    """Gitignore-style patterns."""
    text: str
    """Comment characters apart; `{year}` is a year or several."""


class TaskPolicy(Model):
    """What holds for one task; fixed at prepare from the base branch and hashed into every decision."""

    checks: tuple[Check, ...] = ()
    check_definitions: tuple[str, ...] = ()
    """Gitignore-style patterns of files that define checks, beside the built-in ones."""
    test_paths: tuple[str, ...] = ()
    """Gitignore-style patterns of test files, beside the built-in ones."""
    setup: Setup = Setup()
    scope: tuple[str, ...] = ()
    """Paths agents may touch in this repository; empty means all but the forbidden ones."""
    task_type_scope: tuple[str, ...] = ()
    """Paths that tasks of this type may touch; a path must be in both scopes."""
    forbidden: tuple[str, ...] = ()
    """Paths no agent may touch."""
    licence_headers: tuple[LicenceHeader, ...] = ()
    max_changed_lines: int = Field(default=2000, gt=0)
    max_patch_bytes: int = Field(default=5 * 1024 * 1024, gt=0)
    reviewers: tuple[str, ...] = ()
    """Ids of persons who may approve; empty means whoever the security policy lets approve."""
    allow_self_approval: bool = False
    """Whether the requester may decide; only the local profile can set it."""
    carry_over: bool = True
    """Whether a person's approval survives a moved base when the patch is byte-identical and nothing new is found."""
    feedback_rounds: int = Field(default=2, ge=0, le=10)
    """How often a failing evaluation goes back to the agent before a person is asked."""
    repeats: int = Field(default=0, ge=0, le=5)
    """How often a check is run again, on base and on the patch, in which tests turned or broke: flaky or not."""
    mutation_seconds: float = Field(default=0, ge=0)
    """What it may take to see which changed lines are run, and whether faults in them are noticed; 0 is not at all."""
    egress_profile: EgressProfile = EgressProfile.LISTED
    egress_hosts: tuple[str, ...] = ()
    """Names the agent's sandbox may reach, each `host` or `host:port` or `*.suffix`."""
    egress_asks: bool = False
    """Whether people are asked, while the run stands still, about hosts that are not among them."""
    egress_ceiling: tuple[str, ...] | None = None
    """The most that anybody may allow; None is no ceiling."""
    egress_kept_refused: tuple[str, ...] = ()
    """Hosts that nobody is asked about any more, since somebody said so for this repository."""
    packages: tuple[str, ...] = ()
    """Patterns of names of packages that a patch may bring by its lock files without anybody being asked."""
    packages_ceiling: tuple[str, ...] | None = None
    """The most that anybody may allow; None is no ceiling."""
    image: str = ""
    """Where sandboxes are containers: the image that the team named; empty, the platform's."""
    required_grades: dict[str, str] = {}
    """Limit name to the least grade that is accepted, such as {"memory": "kernel"}."""
    budget: Budget = Budget()
    tool_calls: int = Field(default=40, gt=0)
    """Of one run. After 30 to 40, what an agent read first is compressed or forgotten, and it contradicts that."""
    runs_per_round: int = Field(default=4, gt=0)
    """How many runs, each with a fresh context, may follow each other before a person is asked."""
    continues: int = Field(default=3, ge=0)
    """How often people may let a task go on after hangs and limits of its runs, each time with a run's limits anew."""
    gate: GateRules = GateRules()
    run_limits: Limits = Limits()
    check_limits: Limits = Limits(wall_seconds=900)
    setup_limits: Limits = Limits(wall_seconds=900)
    hash: str = ""
    """sha256 over everything above, as canonical JSON."""


class PolicyRefusal(Exception):
    """A policy file is invalid, or asks for what it may not have; the message names file, key and remedy."""
