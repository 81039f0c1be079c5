"""Risk, approvals and phases: the `[gate]` table of all three files, and what holds of them together.

A tier can only be raised by the files that come after the platform's; more approvals and a lower phase are stricter.
"""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from activities.policy.document import Document
from activities.policy.written_values import NAME, Patterns
from workflows.models.gate import FIRST_PHASE, LAST_PHASE, GateRules, RiskRule, RiskTier

_APPROVALS = {
    "local": dict.fromkeys(RiskTier, 1),
    "team": {RiskTier.LOW: 1, RiskTier.MEDIUM: 1, RiskTier.HIGH: 2},
}
"""By profile, where the platform's file states nothing: one person alone can't be two."""
Approvals = dict[RiskTier, Annotated[int, Field(ge=1, le=10)]]
Phase = Annotated[int, Field(ge=FIRST_PHASE, le=LAST_PHASE)]


class RiskEntry(Document):
    """One line of the risk table: `[[gate.risk]]`. A patch that fits all it states has at least this tier."""

    tier: RiskTier
    """`low`, `medium` or `high`."""
    paths: Patterns = ()
    """Any changed path fits."""
    task_types: tuple[str, ...] = ()
    """Any of them fits."""
    findings: tuple[str, ...] = ()
    """Names of findings, as in the evidence; any of them fits."""
    more_lines_than: int | None = Field(default=None, ge=0)
    """Added and removed together."""
    more_files_than: int | None = Field(default=None, ge=0)
    """That the patch changes."""
    because: str = Field(default="", max_length=300)
    """For people."""

    @model_validator(mode="after")
    def _has_a_condition(self) -> "RiskEntry":
        stated = (self.paths, self.task_types, self.findings, self.more_lines_than, self.more_files_than)
        if all(each in ((), None) for each in stated):
            raise ValueError(
                "a risk rule needs a condition: `paths`, `task_types`, `findings`, `more_lines_than`, `more_files_than`"
            )
        return self

    def rule(self, said_by: str) -> RiskRule:
        """With who says so."""
        return RiskRule(**self.model_dump(), said_by=said_by)


class GateTightening(Document):
    """What each owner may make stricter."""

    phase: Phase | None = None
    """The most that any kind of task may have, whatever it has earned; the least that any file states counts."""
    risk: tuple[RiskEntry, ...] = ()
    """Lines of the risk table, beside the built-in ones and those of the other files."""
    approvals: Approvals = {}
    """How many persons have to approve a patch of a tier, such as `high = 2`; the most that any file states counts,
    and a higher tier takes no fewer than a lower one."""
    code_owners: bool | None = None
    """Whether owners of the changed paths by base's CODEOWNERS have to approve; it holds if any file says `true`."""
    most_lines: int | None = Field(default=None, ge=0)
    """Of a patch that policy may approve; 200 if no file states it, and the smallest counts."""
    most_files: int | None = Field(default=None, ge=0)
    """Of a patch that policy may approve; 10 if no file states it, and the smallest counts."""
    watch_seconds: int | None = Field(default=None, ge=0, le=7 * 86400)
    """For how long base is watched after a merge; 600 if no file states it, and the longest counts."""


class GateTable(GateTightening):
    """What the platform states."""

    task_types: dict[Annotated[str, Field(pattern=NAME)], RiskTier] = {}
    """The tier that tasks of a type begin with, such as `typo = "low"`; a type that is not known begins as medium."""


def combined_gate(profile: str, platform: GateTable, security: GateTightening, team: GateTightening) -> GateRules:
    """The strictest of each."""
    files = (("journeyman.toml", platform), ("security.toml", security), ("team.toml", team))
    tables = [table for _, table in files]
    defaults = GateRules()
    approvals = dict(_APPROVALS[profile]) | platform.approvals
    for table in (security, team):
        for tier, count in table.approvals.items():
            approvals[tier] = max(approvals[tier], count)
    # A higher tier never takes fewer persons than a lower one.
    for lower, higher in pairwise(RiskTier):
        approvals[higher] = max(approvals[lower], approvals[higher])
    return GateRules(
        phase=_least(LAST_PHASE, *(table.phase for table in tables)),
        task_types=platform.task_types,
        risk=tuple(entry.rule(said_by) for said_by, table in files for entry in table.risk),
        approvals=approvals,
        code_owners=any(table.code_owners for table in tables),
        most_lines=_platforms_or_less("most_lines", defaults.most_lines, platform, security, team),
        most_files=_platforms_or_less("most_files", defaults.most_files, platform, security, team),
        watch_seconds=max(
            defaults.watch_seconds if platform.watch_seconds is None else platform.watch_seconds,
            *(table.watch_seconds or 0 for table in (security, team)),
        ),
    )


def _platforms_or_less(key: str, default: int, platform: GateTable, *others: GateTightening) -> int:
    stated: int | None = getattr(platform, key)
    return _least(default if stated is None else stated, *(getattr(table, key) for table in others))


def _least(most: int, *stated: int | None) -> int:
    return min([most, *(value for value in stated if value is not None)])
