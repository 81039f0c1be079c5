"""The strictest of three owners wins, and no file can take back what another one forbids."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.policy.agents import choose_agent
from activities.policy.combine import combine, policy_hash
from activities.policy.detect import PYTEST, Detected
from activities.policy.documents import PlatformPolicy, SecurityPolicy, TeamPolicy
from activities.policy.egress import with_registries
from activities.policy.grades import unmet
from activities.policy.people import accounts, find_person
from workflows.models.intent import Intent
from workflows.models.limits import Grade, LimitGrades, Limits
from workflows.models.person import Person
from workflows.models.policy import EgressProfile, PolicyRefusal, TaskPolicy
from workflows.models.task import Repository, Task

DETECTED = Detected(checks=(PYTEST,))


def task(**changes: Any) -> Task:
    return Task(
        id="t1",
        intent=Intent(key="cli:1", requester=Person(id="alice")),
        repository=Repository(url="/r", name="r"),
        goal="Mend it",
        **changes,
    )


def platform(**changes: Any) -> PlatformPolicy:
    agents = {"demo": {"command": ["true"], "egress": ["api.example.com", "*.docs.example.com"]}}
    return PlatformPolicy.model_validate({"agents": agents, **changes})


def together(
    platform_policy: PlatformPolicy | None = None,
    security: dict[str, Any] | None = None,
    team: dict[str, Any] | None = None,
    **of_task: Any,
) -> TaskPolicy:
    return combine(
        platform_policy or platform(),
        SecurityPolicy.model_validate(security or {}),
        None if team is None else TeamPolicy.model_validate(team),
        DETECTED,
        task(**of_task),
    )


def test_the_strictest_profile_counts_and_below_listed_no_host_is_reached() -> None:
    own = platform(egress={"profile": "model+registry"})
    assert together(own).egress_profile is EgressProfile.REGISTRY
    assert together(own, {"egress": {"profile": "listed"}}).egress_profile is EgressProfile.LISTED
    narrow = together(own, None, {"egress": {"profile": "model-only"}})
    assert (narrow.egress_profile, narrow.egress_hosts) == (EgressProfile.MODEL_ONLY, ())
    assert narrow.hash != together(own).hash
    wide = together(platform(egress={"profile": "none"}), None, {"egress": {"profile": "model+registry"}})
    assert wide.egress_profile is EgressProfile.NONE


def test_no_way_out_is_refused_for_an_agent_that_needs_its_model() -> None:
    providers = {"anthropic": {"url": "https://api.example.com", "key": {"environment": "K"}}}
    agents = {"claude": {"adapter": "claude-code", "provider": "anthropic"}}
    own = PlatformPolicy.model_validate({"agents": agents, "providers": providers})
    with pytest.raises(PolicyRefusal, match="without its model"):
        together(own, None, {"egress": {"profile": "none"}})


def test_registries_are_reached_only_where_security_allows_them() -> None:
    listed, registries = ("api.example.com",), ("index.example.com:443", "files.example.com:443")
    assert with_registries(listed, registries, SecurityPolicy()) == tuple(sorted({*listed, *registries}))
    allowed = SecurityPolicy.model_validate({"egress": {"allow": ["index.example.com:443"]}})
    with pytest.raises(PolicyRefusal, match=r"files\.example\.com:443"):
        with_registries(listed, registries, allowed)


def test_without_any_file_but_an_agent_the_detected_checks_and_defaults_hold() -> None:
    policy = together()
    assert policy.checks == (PYTEST,)
    assert policy.egress_hosts == ("*.docs.example.com", "api.example.com")
    assert not policy.allow_self_approval
    assert policy.hash == policy_hash(policy)


def test_the_least_number_holds_whoever_stated_it() -> None:
    policy = together(
        platform(max_changed_lines=900, limits={"run": {"wall_seconds": 600}}),
        {"max_changed_lines": 500, "limits": {"run": {"memory_bytes": "1 GiB"}}},
        {"max_changed_lines": 5000, "limits": {"run": {"wall_seconds": 9000, "processes": 9}}},
    )
    assert policy.max_changed_lines == 500
    assert policy.run_limits == Limits(wall_seconds=600, memory_bytes=1024**3, processes=9)


def test_the_platform_may_raise_its_own_defaults() -> None:
    assert together(platform(limits={"check": {"wall_seconds": 7200}})).check_limits.wall_seconds == 7200


def test_forbidden_paths_of_all_owners_hold() -> None:
    policy = together(
        None, {"forbidden": ["keys/"]}, {"forbidden": ["infra/"], "task_types": {"docs": {"forbidden": ["src/"]}}},
        task_type="docs",
    )  # fmt: skip
    assert policy.forbidden == ("infra/", "keys/", "src/")


@pytest.mark.parametrize(
    ("security", "team", "named"),
    [
        ({}, {"allow_self_approval": True}, "allow_self_approval"),
        ({"carry_over": False}, {"carry_over": True}, "carry_over"),
        ({"approve": ["alice"]}, {"reviewers": ["mallory"]}, "mallory"),
        ({}, {"egress": {"hosts": ["evil.example.net"]}}, "evil.example.net"),
        ({}, {"egress": {"hosts": ["*.example.com"]}}, r"\*\.example\.com"),
        ({}, {"egress": {"hosts": ["api.example.com:22"]}}, "api.example.com:22"),
        ({}, {"egress": {"hosts": ["docs.example.com"]}}, "docs.example.com"),
        ({}, {"egress": {"ask": True}}, r"egress\.ask"),
        ({"install_scripts": False}, {"setup": {"install_scripts": True}}, "install_scripts"),
    ],
)
def test_a_team_file_that_loosens_is_refused_by_name(
    security: dict[str, Any], team: dict[str, Any], named: str
) -> None:
    with pytest.raises(PolicyRefusal, match=named) as refusal:
        together(None, security, team)
    assert ".journeyman/team.toml" in str(refusal.value)


def test_a_platform_that_grants_more_than_security_allows_stops_the_task() -> None:
    with pytest.raises(PolicyRefusal, match=r"not within `egress\.allow`"):
        together(None, {"egress": {"allow": ["api.example.com"]}})
    assert together(None, {"egress": {"allow": ["*.example.com", "api.example.com"]}}).egress_hosts


def test_a_team_may_narrow_a_wildcard_to_one_name() -> None:
    assert together(None, {}, {"egress": {"hosts": ["a.docs.example.com:443"]}}).egress_hosts == (
        "a.docs.example.com:443",
    )
    assert together(None, {}, {"egress": {"hosts": []}}).egress_hosts == ()


def test_self_approval_needs_every_owner() -> None:
    alone = platform(allow_self_approval=True)
    assert together(alone).allow_self_approval
    assert not together(alone, {"allow_self_approval": False}).allow_self_approval
    assert not together(alone, {}, {"allow_self_approval": False}).allow_self_approval


def test_reviewers_are_those_whom_security_lets_approve() -> None:
    assert together(None, {"approve": ["bob", "alice"]}).reviewers == ("alice", "bob")
    assert together(None, {"approve": ["bob", "alice"]}, {"reviewers": ["bob"]}).reviewers == ("bob",)


def test_an_unknown_task_type_is_refused_and_a_teams_own_is_known() -> None:
    with pytest.raises(PolicyRefusal, match="bug-fix"):
        together(task_type="world-peace")
    own = {"task_types": {"translations": {"scope": ["locale/"], "max_changed_lines": 50}}}
    policy = together(None, {}, own, task_type="translations")
    assert (policy.task_type_scope, policy.max_changed_lines) == (("locale/",), 50)


def test_the_team_profile_asks_for_kernel_limits() -> None:
    required = together(platform(profile="team")).required_grades
    watched = LimitGrades(**dict.fromkeys(LimitGrades.model_fields, Grade.WATCHED))
    assert any("memory" in sentence for sentence in unmet(required, watched))
    assert together().required_grades["memory"] == "watched"


def test_a_grade_can_be_raised_by_any_owner_and_lowered_by_none() -> None:
    required = together(None, {"required_grades": {"memory": "kernel"}}, {"required_grades": {"memory": "none"}})
    assert required.required_grades["memory"] == "kernel"
    assert unmet({"memory": "kernel"}, LimitGrades(memory=Grade.KERNEL)) == ()


def test_an_agent_that_is_not_configured_is_refused_by_name() -> None:
    with pytest.raises(PolicyRefusal, match="'ghost'"):
        together(agent="ghost")
    with pytest.raises(PolicyRefusal, match="names no agent"):
        together(PlatformPolicy())
    two = platform(agents={"a": {"command": ["x"]}, "b": {"command": ["x"]}})
    with pytest.raises(PolicyRefusal, match="default_agent"):
        together(two)


def test_a_credential_inside_needs_the_security_owner() -> None:
    policy = platform(agents={"a": {"command": ["x"], "credential": "inside"}})
    with pytest.raises(PolicyRefusal, match="credentials_inside"):
        choose_agent(policy, SecurityPolicy(), "a")
    assert choose_agent(policy, SecurityPolicy(credentials_inside=("a",)), "").name == "a"


def test_accounts_of_one_human_being_are_one_person() -> None:
    policy = platform(people={"alice": {"os": "al", "slack": "U1"}})
    first, second = find_person(policy, "os", "al"), find_person(policy, "slack", "U1")
    assert first
    assert second
    assert first.is_same_person(second)
    assert find_person(policy, "os", "") is None
    assert accounts(policy, "os") == {"al": "alice"}


def test_the_hash_changes_with_whatever_holds() -> None:
    assert together().hash == together().hash
    assert together().hash != together(None, {"forbidden": ["x"]}).hash
    assert together(None, {"forbidden": ["x", "y"]}).hash == together(None, {"forbidden": ["y", "x"]}).hash


# --- Whatever anybody adds, nothing more is permitted ---

HOSTS = ["api.example.com", "*.docs.example.com", "a.docs.example.com", "other.example.net", "*.example.com"]
PEOPLE = ["alice", "bob", "carol"]
PATTERNS = ["src/", "docs/", "*.md", "infra/"]
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "wall_seconds": st.floats(1, 90_000),
        "memory_bytes": st.integers(1, 2**40),
        "processes": st.integers(1, 9999),
    },
)
GRADES = st.dictionaries(st.sampled_from(["memory", "cpus", "wall"]), st.sampled_from(["none", "watched", "kernel"]))
PROFILES = st.sampled_from(list(EgressProfile))
BUDGET = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.floats(0, 100) for name in ("task_usd", "task_most_usd", "requester_day_usd", "team_day_usd")},
        **{name: st.integers(1, 10**9) for name in ("task_tokens", "task_requests", "task_bytes")},
        "answer_seconds": st.floats(1, 90_000),
    },
)
SHARED: dict[str, st.SearchStrategy[Any]] = {
    "forbidden": st.lists(st.sampled_from(PATTERNS)),
    "max_changed_lines": st.integers(1, 9000),
    "max_patch_bytes": st.integers(1, 2**30),
    "feedback_rounds": st.integers(0, 10),
    "tool_calls": st.integers(1, 100),
    "runs_per_round": st.integers(1, 50),
    "repeats": st.integers(0, 5),
    "mutation_seconds": st.integers(0, 3600),
    "budget": BUDGET,
    "carry_over": st.booleans(),
    "allow_self_approval": st.booleans(),
    "required_grades": GRADES,
    "limits": st.fixed_dictionaries({}, optional={"run": LIMITS, "check": LIMITS, "setup": LIMITS}),
}
SECURITY = st.fixed_dictionaries(
    {},
    optional={
        **SHARED,
        "egress": st.fixed_dictionaries({"allow": st.lists(st.sampled_from(HOSTS))}, optional={"profile": PROFILES}),
        "approve": st.lists(st.sampled_from(PEOPLE), min_size=1),
    },
)
TEAM = st.fixed_dictionaries(
    {},
    optional={
        **SHARED,
        "egress": st.fixed_dictionaries({"hosts": st.lists(st.sampled_from(HOSTS))}, optional={"profile": PROFILES}),
        "reviewers": st.lists(st.sampled_from(PEOPLE)),
        "scope": st.lists(st.sampled_from(PATTERNS)),
        "task_types": st.just({"bug-fix": {"scope": ["src/"], "max_changed_lines": 7}}),
    },
)
PLATFORM = st.fixed_dictionaries({}, optional={"allow_self_approval": st.booleans(), "carry_over": st.booleans()})
ORDER = ["none", "watched", "kernel"]


def reaches(policy: TaskPolicy) -> set[str]:
    """Which of some names, on the default ports, the policy lets through."""
    names = ["api.example.com", "a.docs.example.com", "b.docs.example.com", "docs.example.com", "other.example.net"]
    return {
        name
        for name in names
        for host in policy.egress_hosts
        if name == host or (host.startswith("*.") and name.endswith(host[1:]))
    }


def assert_permits_no_more(tighter: TaskPolicy, looser: TaskPolicy) -> None:
    for limits in ("run_limits", "check_limits", "setup_limits"):
        for name in Limits.model_fields:
            assert getattr(getattr(tighter, limits), name) <= getattr(getattr(looser, limits), name)
    for name, cap in looser.budget:
        if isinstance(cap, (int, float)):
            assert getattr(tighter.budget, name) is not None
            assert getattr(tighter.budget, name) <= cap
    for number in ("max_changed_lines", "max_patch_bytes", "feedback_rounds", "tool_calls", "runs_per_round"):
        assert getattr(tighter, number) <= getattr(looser, number)
    for depth in ("repeats", "mutation_seconds"):
        assert getattr(tighter, depth) >= getattr(looser, depth)
    for permission in ("allow_self_approval", "carry_over"):
        assert getattr(tighter, permission) <= getattr(looser, permission)
    assert set(tighter.forbidden) >= set(looser.forbidden)
    assert reaches(tighter) <= reaches(looser)
    assert tighter.egress_profile.rank <= looser.egress_profile.rank
    if looser.reviewers:
        assert tighter.reviewers
        assert set(tighter.reviewers) <= set(looser.reviewers)
    if looser.scope:
        assert tighter.scope == looser.scope
    for name, grade in looser.required_grades.items():
        assert ORDER.index(tighter.required_grades[name]) >= ORDER.index(grade)


@settings(max_examples=300, deadline=None)
@given(PLATFORM, SECURITY, TEAM)
def test_adding_a_file_never_permits_more(
    of_platform: dict[str, Any], security: dict[str, Any], team: dict[str, Any]
) -> None:
    own = platform(**of_platform)
    try:
        everything = together(own, security, team)
    except PolicyRefusal:
        return  # nothing at all is permitted
    assert_permits_no_more(everything, together(own, security))
    assert_permits_no_more(everything, together(own))
    assert_permits_no_more(everything, together(own, None, {"scope": team.get("scope", [])}))
