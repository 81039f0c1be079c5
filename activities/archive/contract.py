"""What can be put on record, and how it is found again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model

SCHEMA_VERSION = 1
"""Of what is written."""
FORGOTTEN_VERSION = 2
"""Of an entry that somebody was taken out of: a program that knows none would take it for a forgery."""


class Erased(Model):
    """That somebody was taken out of an entry, by the word of the gateway's key over all of the entry."""

    sha256: str
    """Of the entry as it was: what the next entry holds, so that the chain is still one."""
    at: str
    """RFC 3339, UTC."""
    key_id: str = ""
    signature: str = ""


class ChainEntry(Model):
    """One entry in a task's chain; `previous` is the hash of the entry before it, so that nothing can be removed."""

    schema_version: int = SCHEMA_VERSION
    task_id: str
    number: int
    entry_id: str
    kind: str
    recorded_at: str
    """RFC 3339, UTC."""
    data: dict[str, object] = {}
    artifacts: tuple[ArtifactRef, ...] = ()
    previous: str = ""
    erased: Erased | None = None


class IntentRecord(Model):
    """Which task an intent key leads to."""

    schema_version: int = SCHEMA_VERSION
    key: str
    task_id: str
    attempt: int
    claimed_at: str


class Tombstone(Model):
    """What there was, when it went and by which rule."""

    schema_version: int = SCHEMA_VERSION
    sha256: str
    """Of a trace: over the lines `NAME SHA256` of its batches, sorted."""
    size: int
    """Bytes."""
    kind: str
    name: str
    removed_at: datetime
    rule: str
    """Such as `retention: log artefacts are kept for 90 days`."""
    trace_id: str = ""
    """Of a trace: which one, so that the note of one trace does not pass for that of another."""

    @property
    def told(self) -> str:
        """For people, in one sentence."""
        return (
            f"{self.name} ({self.size} bytes, sha256 {self.sha256[:12]}) was removed on {self.removed_at:%Y-%m-%d} by "
            f"{self.rule}"
        )


class Tombstones(Protocol):
    """Notes in the place of what was removed."""

    async def of(self, ref: ArtifactRef) -> Tombstone | None:
        """What is known of an artefact that was removed and is not there again."""
        ...

    async def of_trace(self, trace_id: str) -> Tombstone | None:
        """The same for a trace."""
        ...


class ArtifactStore(Protocol):
    """Immutable blobs by hash."""

    async def put(self, data: bytes, *, name: str, media_type: str = "application/octet-stream") -> ArtifactRef: ...

    async def put_file(self, path: Path, *, name: str, media_type: str = ...) -> ArtifactRef: ...

    async def get(self, ref: ArtifactRef) -> bytes:
        """Raises ArchiveError if it is missing or its hash differs."""
        ...


class TaskChains(Protocol):
    """What happened to each task, in order."""

    async def append(
        self,
        task_id: str,
        entry_id: str,
        kind: str,
        data: Mapping[str, object],
        artifacts: Sequence[ArtifactRef] = (),
    ) -> ChainEntry:
        """Append once: the same entry_id again returns the entry that is there."""
        ...

    async def entries(self, task_id: str) -> tuple[ChainEntry, ...]:
        """All entries, verified; raises ArchiveError where the chain is broken."""
        ...

    async def task_ids(self) -> tuple[str, ...]:
        """Every task on record."""
        ...


class IntentIndex(Protocol):
    """The record against duplicates."""

    async def claim(self, keys: Sequence[str], *, after: int = 0) -> tuple[IntentRecord, bool]:
        """Claim an intent by its keys, strongest first, and say whether it is new.

        If any key is taken, the record it leads to is returned, with False, and the other keys become aliases of it.
        `after` names the attempt that has ended, and makes the next one instead: once, however many ask for it.
        """
        ...

    async def find(self, key: str) -> IntentRecord | None: ...
