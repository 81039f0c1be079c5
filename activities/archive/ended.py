"""Indexes of tasks: by the day on which they ended, so that a sweep need not read every record, and the forgotten ones.

A day in the index is a hint and written before the outcome: whether a task has ended its own chain says.
"""

from datetime import date, datetime

from activities.archive.objects import Objects

_FOLDER = "ended"
_FORGOTTEN = "forgotten"


class EndedTasks:
    """The index. Nothing is ever removed from it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def add(self, task_id: str, when: datetime) -> bool:
        """Note that a task ends now, or has ended then; `when` is aware. False if that was noted before."""
        return await self._objects.create(f"{_FOLDER}/{when:%Y-%m-%d}/{task_id}", b"")

    async def all(self) -> dict[str, date]:
        """Each task that has ended, with the day; of one that is there twice, the later one."""
        found: dict[str, date] = {}
        for name in await self._objects.names(_FOLDER):
            _, day, task_id = name.split("/", 2)
            # Sorted, so the later day comes last.
            found[task_id] = date.fromisoformat(day)
        return found


class ForgottenTasks:
    """Tasks that somebody was taken out of: what Temporal still tells of them is not shown."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def add(self, task_id: str) -> None:
        """Note it, once."""
        await self._objects.create(f"{_FORGOTTEN}/{task_id}", b"")

    async def all(self) -> frozenset[str]:
        """Their ids."""
        return frozenset(name.split("/", 1)[1] for name in await self._objects.names(_FORGOTTEN))
