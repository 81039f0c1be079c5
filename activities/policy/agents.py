"""Which agent a task gets, and whether it may have it."""

from dataclasses import dataclass

from activities.policy.agent_tables import AgentEntry
from activities.policy.documents import PlatformPolicy, SecurityPolicy
from workflows.models.policy import PolicyRefusal


@dataclass(frozen=True)
class ChosenAgent:
    """An agent by its name in journeyman.toml."""

    name: str
    entry: AgentEntry


def choose_agent(platform: PlatformPolicy, security: SecurityPolicy, wanted: str) -> ChosenAgent:
    """The agent that was asked for, else the default, else the only one. Raises PolicyRefusal."""
    name = wanted or platform.default_agent
    if not name and len(platform.agents) == 1:
        (name,) = platform.agents
    known = ", ".join(sorted(platform.agents))
    if not platform.agents:
        raise PolicyRefusal("journeyman.toml names no agent: add [agents.NAME] with the command that starts it")
    if not name:
        raise PolicyRefusal(
            f"no agent was asked for and journeyman.toml sets no `default_agent`: set it to one of {known}"
        )
    if name not in platform.agents:
        raise PolicyRefusal(f"agent {name!r} is not in journeyman.toml: use one of {known}, or add [agents.{name}]")
    entry = platform.agents[name]
    if entry.credential == "inside" and name not in security.credentials_inside:
        raise PolicyRefusal(
            f"agent {name!r} wants its credential inside the sandbox, which `credentials_inside` in security.toml does "
            'not allow: set credential = "broker", or have the security owner name the agent'
        )
    return ChosenAgent(name, entry)
