"""One task's policy from three owners' files: pure, the strictest wins, and loosening is refused by name.

The platform's file sets defaults and may state any value. Security's file is a ceiling over it. The team's file, read
from the base commit, tightens both. Per key, what happens to a stricter and a looser value:

    key                          combined by                       a looser value in the team's file
    limits.*                     minimum                           has no effect
    max_changed_lines, _bytes    minimum                           has no effect
    feedback_rounds, tool_calls  minimum                           has no effect
    runs_per_round, budget.*     minimum                           has no effect
    continues                    minimum                           has no effect
    repeats, mutation_seconds    maximum: more is found out        has no effect
    required_grades              strongest                         has no effect
    forbidden                    union                             can't be written
    scope, task type's scope     a path must be in each            can't be written
    carry_over                   all must allow it                 refused
    allow_self_approval          all must allow it                 refused
    reviewers                    within security's `approve`       refused
    egress.hosts                 within what the platform grants   refused
    image                        within what the platform allows   refused
    egress.profile               strictest                         has no effect
    egress.ask                   all must allow it                 refused
    a task type's packages       only what security allows too    has no effect
    checks, setup                the team's, else detected         the repository owner's own
    setup.install_scripts        within what security allows       refused
    setup.registry               within what security allows       refused
    gate.phase, .most_*          minimum                           has no effect
    gate.approvals, .watch_*     maximum                           has no effect
    gate.risk                    union, the highest tier counts    can't be written
    gate.code_owners             any may ask for it                has no effect

A number is taken by its strictest, since one that another owner set explains itself in the evidence. A name
or a permission that can't be granted is refused instead: it would be missed only when something fails far from here.
What security.toml does not allow, but the platform's file grants, is refused too: both owners have to agree.
"""

import hashlib
import json
from typing import Literal

from activities.policy import egress
from activities.policy.budgets import combined_budget
from activities.policy.detect import Detected
from activities.policy.documents import PlatformPolicy, SecurityPolicy, TaskTypeTable, TeamPolicy
from activities.policy.gate_tables import combined_gate
from activities.policy.grades import strongest
from activities.policy.reading import TEAM_FILE
from workflows.models.limits import Grade, Limits
from workflows.models.policy import Check, EgressProfile, LicenceHeader, PolicyRefusal, RegistryReach, Setup, TaskPolicy
from workflows.models.task import Task

TASK_TYPES = ("docs", "test-fix", "dependency-bump", "refactor", "bug-fix", "feature")
CHECK_SECONDS = 900
SETUP_SECONDS = 900
REQUIRED_GRADES = {
    # What a sandbox without root can hold; a watch that ends the run is enough on one's own machine.
    "local": {
        "wall": Grade.WATCHED,
        "memory": Grade.WATCHED,
        "processes": Grade.WATCHED,
        "disk": Grade.WATCHED,
        "output": Grade.WATCHED,
        "network": Grade.KERNEL,
    },
    # Time, output and growth of a bind mount have no kernel limit on any host; all else must have one.
    "team": {
        "wall": Grade.WATCHED,
        "output": Grade.WATCHED,
        "disk": Grade.WATCHED,
        "memory": Grade.KERNEL,
        "processes": Grade.KERNEL,
        "cpus": Grade.KERNEL,
        "file": Grade.KERNEL,
        "scratch": Grade.KERNEL,
        "network": Grade.KERNEL,
    },
}


def combine(
    platform: PlatformPolicy, security: SecurityPolicy, team: TeamPolicy | None, detected: Detected, task: Task
) -> TaskPolicy:
    """What holds for the task, with its hash. Raises PolicyRefusal, which names file, key and remedy."""
    stated = team or TeamPolicy()
    kind = task_type_table(stated, task.task_type)
    policy = TaskPolicy(
        checks=tuple(Check(**check.model_dump()) for check in stated.checks) if stated.checks else detected.checks,
        setup=_setup(security, stated, detected),
        check_definitions=stated.check_definitions,
        test_paths=stated.test_paths,
        licence_headers=tuple(LicenceHeader(**header.model_dump()) for header in stated.licence_headers),
        scope=stated.scope,
        task_type_scope=kind.scope,
        forbidden=_union(security.forbidden, stated.forbidden, kind.forbidden),
        max_changed_lines=_least(
            platform.max_changed_lines, security.max_changed_lines, stated.max_changed_lines, kind.max_changed_lines
        ),
        max_patch_bytes=_least(platform.max_patch_bytes, security.max_patch_bytes, stated.max_patch_bytes),
        reviewers=_reviewers(security, stated),
        allow_self_approval=_all_allow(
            "allow_self_approval",
            platform.allow_self_approval,
            security.allow_self_approval,
            stated.allow_self_approval,
        ),
        carry_over=_all_allow("carry_over", platform.carry_over, security.carry_over, stated.carry_over),
        feedback_rounds=_least(platform.feedback_rounds, security.feedback_rounds, stated.feedback_rounds),
        tool_calls=_least(platform.tool_calls, security.tool_calls, stated.tool_calls),
        runs_per_round=_least(platform.runs_per_round, security.runs_per_round, stated.runs_per_round),
        continues=_least(platform.continues, security.continues, stated.continues),
        repeats=int(_most(platform.repeats, security.repeats, stated.repeats)),
        mutation_seconds=_most(platform.mutation_seconds, security.mutation_seconds, stated.mutation_seconds),
        budget=combined_budget(
            platform.budget,
            security.budget,
            stated.budget,
            spenders=security.spend or (),
            team=stated.team or task.repository.name,
        ),
        egress_profile=egress.profile(platform, security, stated, task),
        egress_hosts=egress.hosts(platform, security, stated, task),
        egress_asks=_all_allow("egress.ask", platform.egress.ask is True, security.egress.ask, stated.egress.ask)
        and egress.profile(platform, security, stated, task).rank >= EgressProfile.LISTED.rank,
        egress_ceiling=security.egress.allow,
        packages=kind.packages,
        packages_ceiling=security.packages,
        image=_image(platform, stated),
        gate=combined_gate(platform.profile, platform.gate, security.gate, stated.gate),
        required_grades=_grades(platform, security, stated),
        run_limits=_limits("run", Limits(), platform, security, stated),
        check_limits=_limits("check", Limits(wall_seconds=CHECK_SECONDS), platform, security, stated),
        setup_limits=_limits("setup", Limits(wall_seconds=SETUP_SECONDS), platform, security, stated),
    )
    return policy.model_copy(update={"hash": policy_hash(policy)})


def policy_hash(policy: TaskPolicy) -> str:
    """sha256 over the canonical JSON of all of a policy but its hash."""
    content = policy.model_dump(mode="json", exclude={"hash"})
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def task_type_table(team: TeamPolicy, name: str) -> TaskTypeTable:
    """What the team says of a task type. Raises PolicyRefusal for one that nobody knows."""
    if found := team.task_types.get(name):
        return found
    if name in TASK_TYPES:
        return TaskTypeTable()
    known = ", ".join(sorted({*TASK_TYPES, *team.task_types}))
    raise PolicyRefusal(
        f"task type {name!r} is not known: use one of {known}, or define [task_types.{name}] in {TEAM_FILE} on the "
        "base branch"
    )


def _union(*groups: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({pattern for group in groups for pattern in group}))


def _least(default: int, *others: int | None) -> int:
    return int(min(default, *(value for value in others if value is not None), default))


def _most(default: float, *others: float | None) -> float:
    return max(default, *(value for value in others if value is not None), default)


def _all_allow(key: str, platform: bool, security: bool | None, team: bool | None) -> bool:
    allowed = platform and security is not False
    if team and not allowed:
        raise PolicyRefusal(
            f"{TEAM_FILE}: `{key}` = true loosens what the platform or security owner set; take it out, or ask them"
        )
    return allowed and team is not False


def _reviewers(security: SecurityPolicy, team: TeamPolicy) -> tuple[str, ...]:
    if security.approve is None:
        return tuple(sorted(set(team.reviewers)))
    for reviewer in team.reviewers:
        if reviewer not in security.approve:
            raise PolicyRefusal(
                f"{TEAM_FILE}: `reviewers` names {reviewer!r}, whom `approve` in security.toml does not; name one of "
                + ", ".join(sorted(security.approve))
            )
    return tuple(sorted(set(team.reviewers or security.approve)))


def _setup(security: SecurityPolicy, team: TeamPolicy, detected: Detected) -> Setup:
    if team.setup is None:
        return detected.setup
    if team.setup.install_scripts and security.install_scripts is False:
        raise PolicyRefusal(
            f"{TEAM_FILE}: `setup.install_scripts` = true, which security.toml forbids; take it out and pin packages "
            "that need none (wheels), or ask the security owner"
        )
    if team.setup.registry is RegistryReach.WHOLE and security.registry is RegistryReach.LOCKED:
        raise PolicyRefusal(
            f'{TEAM_FILE}: `setup.registry` = "whole", which security.toml forbids; take it out and name the files '
            "that pin what is installed in `setup.lock_files`, or ask the security owner"
        )
    return Setup(**team.setup.model_dump())


def _image(platform: PlatformPolicy, team: TeamPolicy) -> str:
    image, sandbox = team.image, platform.sandbox
    if image is None:
        return ""
    if sandbox.backend != "container":
        raise PolicyRefusal(
            f"{TEAM_FILE}: `image` names {image!r}, but sandboxes here have the host's own system (journeyman.toml: "
            f"sandbox.backend is {sandbox.backend!r}); take it out, or ask the platform owner for containers"
        )
    if not sandbox.container.allows(image):
        allowed = ", ".join(sandbox.container.images) or "no other than its own"
        raise PolicyRefusal(
            f"{TEAM_FILE}: `image` names {image!r}, which `sandbox.container.images` of journeyman.toml does not allow "
            f"(it allows {allowed}); name one of those, or ask the platform owner"
        )
    return image


def _grades(platform: PlatformPolicy, security: SecurityPolicy, team: TeamPolicy) -> dict[str, str]:
    combined: dict[str, Grade] = {}
    for grades in (REQUIRED_GRADES[platform.profile], security.required_grades, team.required_grades):
        for name, grade in grades.items():
            combined[name] = strongest(combined.get(name, Grade.NONE), grade)
    return {name: combined[name].value for name in sorted(combined)}


def _limits(
    kind: Literal["run", "check", "setup"],
    defaults: Limits,
    platform: PlatformPolicy,
    security: SecurityPolicy,
    team: TeamPolicy,
) -> Limits:
    stated = platform.limits.of(kind).replace(defaults)
    return team.limits.of(kind).tighten(security.limits.of(kind).tighten(stated))
