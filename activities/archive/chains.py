"""The chain of each task: what happened to it, in order, where no entry can be removed or changed unseen."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from activities.archive.contract import SCHEMA_VERSION, ChainEntry
from activities.archive.objects import ArchiveError, Objects
from workflows.models.artifact import ArtifactRef

_TASK_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
"""It becomes part of names in the object store: nothing that could lead elsewhere."""


class Chains:
    """Implements contract.TaskChains. Each entry is an object of its own and holds the hash of the one before."""

    def __init__(self, objects: Objects, folder: str = "tasks") -> None:
        """`folder`: where in the archive; what is not about one task has a folder of its own."""
        self._objects = objects
        self._folder = folder

    async def append(
        self,
        task_id: str,
        entry_id: str,
        kind: str,
        data: Mapping[str, object],
        artifacts: Sequence[ArtifactRef] = (),
    ) -> ChainEntry:
        """Append once: a second call with the same entry_id returns what is there. Writers may race."""
        while True:
            stored = await self._stored(task_id)
            for _, entry in stored:
                if entry.entry_id == entry_id:
                    return entry
            entry = ChainEntry(
                task_id=task_id,
                number=len(stored) + 1,
                entry_id=entry_id,
                kind=kind,
                recorded_at=datetime.now(UTC).isoformat(),
                data=dict(data),
                artifacts=tuple(artifacts),
                previous=_digest(stored[-1][0]) if stored else "",
            )
            raw = json.dumps(entry.model_dump(mode="json"), sort_keys=True).encode()
            # Atomic create decides between two writers; whoever loses reads the winner's entry and tries the next.
            if await self._objects.create(f"{self._folder}/{task_id}/{entry.number:06d}.json", raw):
                return entry

    async def entries(self, task_id: str) -> tuple[ChainEntry, ...]:
        """All entries of a task, verified. Raises ArchiveError where the chain is broken."""
        return tuple(entry for _, entry in await self._stored(task_id))

    async def task_ids(self) -> tuple[str, ...]:
        """Every task that has an entry."""
        names = await self._objects.names(self._folder)
        return tuple(sorted({name.split("/")[1] for name in names if name.count("/") >= 2}))

    async def _stored(self, task_id: str) -> list[tuple[bytes, ChainEntry]]:
        if not _TASK_ID.fullmatch(task_id):
            raise ArchiveError(f"{task_id!r} is no task id")
        stored: list[tuple[bytes, ChainEntry]] = []
        for name in await self._objects.names(f"{self._folder}/{task_id}"):
            raw = await self._objects.read(name)
            if raw is None:
                raise ArchiveError(f"{name} vanished while it was read: run the command again")
            try:
                entry = ChainEntry.model_validate_json(raw)
            except ValidationError as error:
                raise ArchiveError(f"{name} can't be read as an entry: restore the archive from a backup") from error
            if entry.schema_version > SCHEMA_VERSION:
                raise ArchiveError(f"{name} was written by a newer Journeyman: upgrade this one to read it")
            expected = _digest(stored[-1][0]) if stored else ""
            if entry.number != len(stored) + 1 or entry.previous != expected or entry.task_id != task_id:
                raise ArchiveError(f"the record of task {task_id} is broken at {name}: an entry was removed or changed")
            stored.append((raw, entry))
        return stored


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
