"""The gate: how risky a patch is, who has to approve it, and what may happen to it without a person."""

from enum import StrEnum

from pydantic import Field

from workflows.models.base import Model

FIRST_PHASE, LAST_PHASE = 1, 3


class RiskTier(StrEnum):
    """How much can go wrong by a patch; a person reads it, and rules say how many do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Position in this order."""
        return list(RiskTier).index(self)


class RiskRule(Model):
    """One line of the risk table: a patch that all of its stated conditions fit has at least this tier."""

    tier: RiskTier
    paths: tuple[str, ...] = ()
    """Gitignore-style patterns; any changed path fits."""
    task_types: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    """Names of rules; any finding of one fits."""
    more_lines_than: int | None = None
    """Added and removed together."""
    more_files_than: int | None = None
    because: str = ""
    """For people."""
    said_by: str = ""
    """Whose file states it."""


class GateRules(Model):
    """What the owners' files say of risk, approvals and phases; part of a task's policy and of its hash."""

    phase: int = Field(default=LAST_PHASE, ge=FIRST_PHASE, le=LAST_PHASE)
    """The most that any kind of task may have here, whatever it has earned."""
    task_types: dict[str, RiskTier] = {}
    """The tier that a task type has before anything is known of its patch, where it is not the built-in one."""
    risk: tuple[RiskRule, ...] = ()
    """Beside the built-in ones; each only ever raises the tier."""
    approvals: dict[RiskTier, int] = {}
    """How many persons have to approve a patch of each tier; one where nothing is stated."""
    code_owners: bool = False
    """Whether somebody who owns each changed path by base's CODEOWNERS has to be among them."""
    most_lines: int = Field(default=200, ge=0)
    """Of a patch that policy may approve."""
    most_files: int = Field(default=10, ge=0)
    """Of a patch that policy may approve."""
    watch_seconds: int = Field(default=600, ge=0)
    """For how long base is watched after a merge; 0 is not at all."""


class RiskReason(Model):
    """One line that speaks for a tier."""

    tier: RiskTier
    text: str


class Risk(Model):
    """A patch's tier, explained line by line."""

    tier: RiskTier
    reasons: tuple[RiskReason, ...] = ()
    """The severest first; at most 50."""


class OwnedPaths(Model):
    """Changed paths that the same people own."""

    names: tuple[str, ...]
    """As CODEOWNERS has them, such as `@acme/payments`."""
    persons: tuple[str, ...] = ()
    """Their ids here; empty if nobody of them is known."""
    paths: tuple[str, ...] = ()
    """At most 5."""


class ApprovalNeeds(Model):
    """Who has to approve a patch, where people do."""

    count: int = Field(default=1, ge=1)
    owned: tuple[OwnedPaths, ...] = ()
    """One person for each."""

    def missing(self, persons: frozenset[str]) -> str:
        """What is still needed beside approvals by these persons, for people; empty if nothing is."""
        wanting = [group for group in self.owned if not persons & set(group.persons)]
        missing = [
            f"one of {', '.join(group.persons) or 'nobody of [people]'} ({' '.join(group.names)} own "
            f"{', '.join(group.paths)})"
            for group in wanting
        ]
        # Each of these is one of the persons who are wanted.
        more = self.count - len(persons) - len(wanting)
        if more > 0:
            missing.append(f"{more} more approvals" if more > 1 else "one more approval")
        return " and ".join(missing)


class Permit(StrEnum):
    """What may happen to a patch without a person."""

    PERSON = "person"
    """Nothing: a person approves, and a person merges."""
    APPROVE = "approve"
    """Policy approves it; a person merges."""
    MERGE = "merge"
    """Policy approves and merges it."""

    @property
    def rank(self) -> int:
        """Position in this order; each lets happen what the one before it does, and more."""
        return list(Permit).index(self)


class Verdict(Model):
    """What the gate decided about one head with one evidence: a fact on record, which no replay computes again."""

    permits: Permit
    earned: int = Field(ge=FIRST_PHASE, le=LAST_PHASE)
    """The phase that the trust record gives this kind of task in this repository."""
    phase: int = Field(ge=FIRST_PHASE, le=LAST_PHASE)
    """The one in force: what is earned, or what policy allows, whichever is less."""
    trust_epoch: int = 0
    """How often that record had changed."""
    risk: Risk
    reasons: tuple[str, ...] = ()
    """Why it is not left to policy, or not further; at most 50."""
    needs: ApprovalNeeds = ApprovalNeeds()
    head: str
    evidence_hash: str
    policy_hash: str
    version: str
    """Of the rules by which it was computed."""
