"""The agents and providers' keys as journeyman.toml names them now, for runs that begin after it was edited.

While the file is broken they are the last ones that were known: what a task may use was chosen when it was prepared,
and no task is prepared by a broken file.
"""

import contextlib
from collections.abc import Iterator, Mapping

from activities.agents.adapter import AgentAdapter
from activities.agents.command import CommandAdapter
from activities.agents.configured import configured_adapters
from activities.policy.agent_tables import AgentEntry, KeySource
from activities.policy.owners import OwnersFiles, PolicyFileBroken
from workflows.models.policy import PolicyRefusal


class CurrentAdapters:
    """Finds the adapter of an agent by its name."""

    def __init__(self, owners: OwnersFiles) -> None:
        """Raises PolicyFileBroken or PolicyRefusal if there is no valid configuration to begin with."""
        self._owners = owners
        platform = owners.platform()
        self._known = configured_adapters(platform)
        self._default = platform.default_agent

    def get(self, name: str) -> AgentAdapter | None:
        """The adapter, or None if the file names no such agent."""
        self._read()
        return self._known.get(name)

    def reading(self, *names: str) -> AgentAdapter:
        """The first of these agents that is known, else the default one, else one that takes every line as a message.

        For reading what was printed, which some agent has to be asked for even if none of them is configured any more.
        """
        self._read()
        last = self._default or next(iter(self._known), "")
        known = (self._known[name] for name in (*names, last) if name in self._known)
        return next(known, CommandAdapter("unknown", AgentEntry(command=("true",))))

    def _read(self) -> None:
        with contextlib.suppress(PolicyFileBroken, PolicyRefusal):
            platform = self._owners.platform()
            self._known = configured_adapters(platform)
            self._default = platform.default_agent


class CurrentKeys(Mapping[str, KeySource | None]):
    """By the name of a provider, where its key is found; None for a provider that takes no key."""

    def __init__(self, owners: OwnersFiles) -> None:
        """Raises PolicyFileBroken if there is no valid configuration to begin with."""
        self._owners = owners
        self._known = _keys(owners)

    def __getitem__(self, name: str) -> KeySource | None:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def _now(self) -> dict[str, KeySource | None]:
        with contextlib.suppress(PolicyFileBroken):
            self._known = _keys(self._owners)
        return self._known


def _keys(owners: OwnersFiles) -> dict[str, KeySource | None]:
    return {name: provider.key for name, provider in owners.platform().providers.items()}
