"""Content-addressed blobs: patches, transcripts, logs, evidence."""

import asyncio
import hashlib
from pathlib import Path

from activities.archive.contract import Tombstones
from activities.archive.objects import ArchiveError, ArtifactRemoved, Objects
from workflows.models.artifact import ArtifactRef


class Artifacts:
    """Implements contract.ArtifactStore on any object store."""

    def __init__(self, objects: Objects, tombstones: Tombstones | None = None) -> None:
        """`tombstones`: what says of a missing blob that it was removed on purpose."""
        self._objects = objects
        self._tombstones = tombstones

    async def put(self, data: bytes, *, name: str, media_type: str = "application/octet-stream") -> ArtifactRef:
        """Store the bytes once, however often they are put."""
        digest = hashlib.sha256(data).hexdigest()
        if not await self._objects.create(address(digest), data):
            # The same bytes again, so that they are young: what is old may be removed with the task that stored it.
            await self._objects.replace(address(digest), data)
        return ArtifactRef(sha256=digest, size=len(data), media_type=media_type, name=name)

    async def put_file(self, path: Path, *, name: str, media_type: str = "application/octet-stream") -> ArtifactRef:
        """Store a file's bytes; files here are bounded by the limits of the sandbox that wrote them."""
        return await self.put(await asyncio.to_thread(path.read_bytes), name=name, media_type=media_type)

    async def get(self, ref: ArtifactRef) -> bytes:
        """The bytes behind a reference.

        Raises ArtifactRemoved if they were removed on purpose, ArchiveError if they are missing or not what was stored.
        """
        data = await self._objects.read(address(ref.sha256))
        if data is None:
            stone = await self._tombstones.of(ref) if self._tombstones else None
            if stone is not None:
                raise ArtifactRemoved(stone.told)
            raise ArchiveError(
                f"{ref.name or 'artifact'} ({ref.sha256}) is not in the archive: restore it from a backup"
            )
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise ArchiveError(f"{ref.name or 'artifact'} ({ref.sha256}) was changed in the archive: restore it")
        return data


def address(digest: str) -> str:
    """Where the blob of this hash is."""
    return f"blobs/{digest[:2]}/{digest}"
