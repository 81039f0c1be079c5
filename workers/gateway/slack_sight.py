"""Which tasks Slack speaks of: those of repositories that `[slack]` lists, and to whoever asked also their own.

An installation may work in repositories that not everybody in the workspace may look into.
"""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from activities.chat.slack.repositories import listed
from activities.policy.github_table import github_repository
from activities.policy.owners import OwnersFiles
from workers.gateway.messages import TaskLine
from workflows.models.person import Person
from workflows.models.policy import PolicyRefusal
from workflows.models.task import Task


class SlackSight:
    """As journeyman.toml says now."""

    def __init__(self, owners: OwnersFiles) -> None:
        self._owners = owners

    def addresses(self) -> Mapping[str, str]:
        """Of repositories that are listed, by the name that tasks have them by. Raises PolicyFileBroken."""
        platform = self._owners.platform()
        found: dict[str, str] = {}
        for asked in listed(platform.slack) if platform.slack is not None else ():
            with contextlib.suppress(PolicyRefusal):
                repository = github_repository(platform.github, asked)
                path = Path(asked).expanduser().resolve()
                name = repository.name if repository is not None else path.name.removesuffix(".git")
                found[name] = repository.url if repository is not None else str(path)
        return found

    def lines(self, lines: Iterable[TaskLine], person: Person) -> list[TaskLine]:
        """Those that somebody may be told of. Lines have repositories by their names."""
        names = self.addresses()
        return [line for line in lines if line.repository in names or line.requester == person.id]

    def sees(self, task: Task, person: Person) -> bool:
        """Whether somebody may be told of a task."""
        return task.repository.url in self.addresses().values() or task.requester.id == person.id
