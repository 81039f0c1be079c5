"""The policy of a task as the three owners' files say now: for whoever prepares it, and for whoever merges it."""

from activities.policy.detect import detect
from activities.policy.owners import OwnersFiles
from activities.policy.reading import TEAM_FILE
from activities.policy.team_file import combined
from activities.repository.mirror import Mirror, Mirrors
from workflows.models.policy import TaskPolicy
from workflows.models.task import Task

_READ_BYTES = 256 * 1024


class CurrentPolicy:
    """Reads the owners' files each time: they edit them while tasks wait."""

    def __init__(self, mirrors: Mirrors, owners: OwnersFiles) -> None:
        self._mirrors = mirrors
        self._owners = owners

    async def of(self, mirror: Mirror, base: str, task: Task) -> TaskPolicy:
        """Combined for a task on a base commit. Raises PolicyRefusal and PolicyFileBroken."""
        paths = await self._mirrors.paths(mirror, base)
        contents: dict[str, bytes | None] = {}
        # Detection is pure and asks for files one by one; a first pass finds which, the second has them.
        while True:
            wanted: set[str] = set()

            def note(path: str, wanted: set[str] = wanted) -> bytes | None:
                if path not in contents:
                    wanted.add(path)
                return contents.get(path)

            detected = detect(paths, note)
            if not wanted:
                break
            for path in wanted:
                data = await self._mirrors.read(mirror, base, path)
                contents[path] = data[:_READ_BYTES] if data is not None else None
        team = await self._mirrors.read(mirror, base, TEAM_FILE)
        return combined(self._owners.platform(), self._owners.security(), team, detected, task)
