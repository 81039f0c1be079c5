"""The agents that journeyman.toml names, each with the adapter it asks for."""

from activities.agents.adapter import AgentAdapter
from activities.agents.command import CommandAdapter
from activities.policy.documents import PlatformPolicy
from workflows.models.policy import PolicyRefusal

ADAPTERS = {"command": CommandAdapter}


def configured_adapters(platform: PlatformPolicy) -> dict[str, AgentAdapter]:
    """Name to adapter. Raises PolicyRefusal for an adapter there is none of."""
    adapters: dict[str, AgentAdapter] = {}
    for name, entry in platform.agents.items():
        if entry.adapter not in ADAPTERS:
            raise PolicyRefusal(
                f"journeyman.toml: `agents.{name}.adapter` = {entry.adapter!r} is not known; use one of "
                + ", ".join(sorted(ADAPTERS))
            )
        adapters[name] = ADAPTERS[entry.adapter](name, entry)
    return adapters
