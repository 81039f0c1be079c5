"""What an agent may reach, from three owners' files: see combine.py."""

from collections.abc import Sequence

from activities.decisions.host_answers import HostAnswer, allowed
from activities.egress.rules import Rule, RuleRefused
from activities.policy.agents import choose_agent
from activities.policy.documents import PlatformPolicy, SecurityPolicy, TeamPolicy
from activities.policy.reading import TEAM_FILE
from workflows.models.policy import EgressProfile, PolicyRefusal, TaskPolicy
from workflows.models.question import Choice
from workflows.models.task import Task


def profile(platform: PlatformPolicy, security: SecurityPolicy, team: TeamPolicy, task: Task) -> EgressProfile:
    """The strictest. Raises PolicyRefusal if it leaves the agent without the model that it needs."""
    given = platform.egress.profile or EgressProfile.LISTED
    stated = [each.egress.profile for each in (security, team) if each.egress.profile is not None]
    chosen = min([given, *stated], key=lambda one: one.rank)
    agent = choose_agent(platform, security, task.agent)
    if chosen is EgressProfile.NONE and (agent.entry.provider or agent.entry.adapter != "command"):
        raise PolicyRefusal(
            f'`egress.profile = "none"` leaves agent {agent.name!r} without its model: choose an agent that asks none, '
            'or have the owner of the file that says so set "model-only"'
        )
    return chosen


def hosts(platform: PlatformPolicy, security: SecurityPolicy, team: TeamPolicy, task: Task) -> tuple[str, ...]:
    """The hosts that are listed, beside the model. Raises PolicyRefusal for one that not all owners agree to."""
    agent = choose_agent(platform, security, task.agent)
    granted = tuple(sorted({*agent.entry.egress, *(platform.egress.hosts or ())}))
    ceiling = security.egress.allow
    for host in granted:
        if ceiling is not None and not covered(host, ceiling):
            raise PolicyRefusal(
                f"journeyman.toml: egress to {host!r} is not within `egress.allow` of security.toml; take it out, or "
                "have the security owner add it"
            )
    if profile(platform, security, team, task).rank < EgressProfile.LISTED.rank:
        return ()
    if team.egress.hosts is None:
        return granted
    for host in team.egress.hosts:
        if not covered(host, granted):
            raise PolicyRefusal(
                f"{TEAM_FILE}: `egress.hosts` names {host!r}, which journeyman.toml does not grant agent "
                f"{agent.name!r}; take it out, or ask the platform owner"
            )
    return tuple(sorted(set(team.egress.hosts)))


def with_registries(listed: tuple[str, ...], registries: Sequence[str], security: SecurityPolicy) -> tuple[str, ...]:
    """The same with this machine's registries. Raises PolicyRefusal for one that security.toml does not allow."""
    for host in registries:
        if security.egress.allow is not None and not covered(host, security.egress.allow):
            raise PolicyRefusal(
                f'`egress.profile = "model+registry"` would lead to {host!r}, where this machine\'s pip or npm fetch '
                "from, and `egress.allow` of security.toml does not: have its owner add it, or choose another profile"
            )
    return tuple(sorted({*listed, *registries}))


def with_answers(policy: TaskPolicy, answers: Sequence[HostAnswer]) -> TaskPolicy:
    """A policy with what people answered about hosts for the whole repository, as far as the owners' files still allow.

    Its hash stays: how far an agent may reach decides nothing about what its patch is judged by.
    """
    if policy.egress_profile.rank < EgressProfile.LISTED.rank:
        return policy
    open_to = {one.host for one in allowed(tuple(answers)) if askable(one.host, policy)}
    return policy.model_copy(
        update={
            "egress_hosts": tuple(sorted({*policy.egress_hosts, *open_to})),
            "egress_kept_refused": tuple(sorted(one.host for one in answers if one.choice is Choice.REFUSE)),
        }
    )


def askable(host: str, policy: TaskPolicy) -> bool:
    """Whether people may be asked to let a task reach `name:port`: a name, within the ceiling, and not answered yet."""
    try:
        Rule.parse(host)
    except RuleRefused:
        return False
    within = policy.egress_ceiling is None or covered(host, policy.egress_ceiling)
    return within and host not in policy.egress_kept_refused


def covered(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether every request that `host` lets through is let through by one of the allowed entries."""
    asked = Rule.parse(host)
    return any(_covers(Rule.parse(entry), asked) for entry in allowed)


def _covers(allowed: Rule, asked: Rule) -> bool:
    if not set(asked.ports) <= set(allowed.ports):
        return False
    below = asked.name.endswith("." + allowed.name)
    if allowed.wildcard:
        return below or (asked.wildcard and asked.name == allowed.name)
    return not asked.wildcard and asked.name == allowed.name
