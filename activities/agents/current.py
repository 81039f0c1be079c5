"""The agents as journeyman.toml names them now, for runs that begin after it was edited."""

from activities.agents.adapter import AgentAdapter
from activities.agents.configured import configured_adapters
from activities.policy.owners import OwnersFiles, PolicyFileBroken
from workflows.models.policy import PolicyRefusal


class CurrentAdapters:
    """Finds the adapter of an agent by its name."""

    def __init__(self, owners: OwnersFiles) -> None:
        """Raises PolicyFileBroken or PolicyRefusal if there is no valid configuration to begin with."""
        self._owners = owners
        self._known = configured_adapters(owners.platform())

    def get(self, name: str) -> AgentAdapter | None:
        """The adapter, or None if the file names no such agent.

        While the file is broken it is the last one that was known: the task's agent was chosen when it was prepared.
        """
        try:
            self._known = configured_adapters(self._owners.platform())
        except (PolicyFileBroken, PolicyRefusal):
            return self._known.get(name)
        return self._known.get(name)
