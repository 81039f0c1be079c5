"""The chain of each task: what happened to it, in order, where no entry can be removed or changed unseen."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from activities.archive.contract import FORGOTTEN_VERSION, ChainEntry, Erased
from activities.archive.objects import ArchiveError, Objects
from activities.decisions.keys import SigningKey, TrustedKeys, Untrusted
from workflows.models.artifact import ArtifactRef

_TASK_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
"""It becomes part of names in the object store: nothing that could lead elsewhere."""


class Chains:
    """Implements contract.TaskChains. Each entry is an object of its own and holds the hash of the one before."""

    def __init__(self, objects: Objects, folder: str = "tasks", erasers: TrustedKeys | None = None) -> None:
        """`folder`: where in the archive; what is not about one task has a folder of its own.

        `erasers`: the keys by whose word somebody was taken out of an entry, which are the gateways'.
        """
        self._objects = objects
        self._erasers = erasers
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
                previous=stored[-1][0] if stored else "",
            )
            raw = _raw(entry)
            # Atomic create decides between two writers; whoever loses reads the winner's entry and tries the next.
            if await self._objects.create(f"{self._folder}/{task_id}/{entry.number:06d}.json", raw):
                return entry

    async def entries(self, task_id: str) -> tuple[ChainEntry, ...]:
        """All entries of a task, verified. Raises ArchiveError where the chain is broken."""
        return tuple(entry for _, entry in await self._stored(task_id))

    async def erase(self, task_id: str, data: Mapping[int, Mapping[str, object]], key: SigningKey) -> None:
        """Put other data into entries, by number: what is left when somebody was taken out. The chain stays one.

        Each entry is replaced whole or not at all. The hash that it had stays, and nothing else of what it said.
        """
        now = datetime.now(UTC).isoformat()
        for digest, entry in await self._stored(task_id):
            if entry.number not in data:
                continue
            erased = Erased(sha256=digest, at=now, key_id=key.key_id)
            left = entry.model_copy(
                update={"schema_version": FORGOTTEN_VERSION, "data": dict(data[entry.number]), "erased": erased}
            )
            signed = erased.model_copy(update={"signature": key.sign(_erasure(left))})
            left = left.model_copy(update={"erased": signed})
            await self._objects.replace(f"{self._folder}/{task_id}/{entry.number:06d}.json", _raw(left))

    async def task_ids(self) -> tuple[str, ...]:
        """Every task that has an entry."""
        names = await self._objects.names(self._folder)
        return tuple(sorted({name.split("/")[1] for name in names if name.count("/") >= 2}))

    async def _stored(self, task_id: str) -> list[tuple[str, ChainEntry]]:
        """Each with the hash that the next one holds."""
        if not _TASK_ID.fullmatch(task_id):
            raise ArchiveError(f"{task_id!r} is no task id")
        stored: list[tuple[str, ChainEntry]] = []
        for name in await self._objects.names(f"{self._folder}/{task_id}"):
            raw = await self._objects.read(name)
            if raw is None:
                raise ArchiveError(f"{name} vanished while it was read: run the command again")
            try:
                entry = ChainEntry.model_validate_json(raw)
            except ValidationError as error:
                raise ArchiveError(f"{name} can't be read as an entry: restore the archive from a backup") from error
            if entry.schema_version > FORGOTTEN_VERSION:
                raise ArchiveError(f"{name} was written by a newer Journeyman: upgrade this one to read it")
            expected = stored[-1][0] if stored else ""
            if entry.number != len(stored) + 1 or entry.previous != expected or entry.task_id != task_id:
                raise ArchiveError(f"the record of task {task_id} is broken at {name}: an entry was removed or changed")
            stored.append((self._digest(raw, entry, name), entry))
        return stored

    def _digest(self, raw: bytes, entry: ChainEntry, name: str) -> str:
        if entry.erased is None:
            return hashlib.sha256(raw).hexdigest()
        try:
            if self._erasers is None:
                raise Untrusted("there are no keys to tell by")
            self._erasers.verify(entry.erased.key_id, entry.erased.signature, _erasure(entry))
        except Untrusted as error:
            raise ArchiveError(
                f"the record of task {entry.task_id} is broken at {name}: it says that somebody was taken out of it, "
                f"and no gateway of this installation did that ({error}): an entry was changed"
            ) from error
        return entry.erased.sha256


def _raw(entry: ChainEntry) -> bytes:
    left_out = {"erased"} if entry.erased is None else None
    return json.dumps(entry.model_dump(mode="json", exclude=left_out), sort_keys=True).encode()


def _erasure(entry: ChainEntry) -> bytes:
    assert entry.erased is not None
    bare = entry.model_copy(update={"erased": entry.erased.model_copy(update={"signature": ""})})
    return b"journeyman erasure\n" + _raw(bare)
