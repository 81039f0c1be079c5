"""Content-addressed blobs: patches, transcripts, logs, evidence."""

import asyncio
import hashlib
from pathlib import Path

from activities.archive.objects import ArchiveError, Objects
from workflows.models.artifact import ArtifactRef


class Artifacts:
    """Implements contract.ArtifactStore on any object store."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def put(self, data: bytes, *, name: str, media_type: str = "application/octet-stream") -> ArtifactRef:
        """Store the bytes once, however often they are put."""
        digest = hashlib.sha256(data).hexdigest()
        await self._objects.create(_address(digest), data)
        return ArtifactRef(sha256=digest, size=len(data), media_type=media_type, name=name)

    async def put_file(self, path: Path, *, name: str, media_type: str = "application/octet-stream") -> ArtifactRef:
        """Store a file's bytes; files here are bounded by the limits of the sandbox that wrote them."""
        return await self.put(await asyncio.to_thread(path.read_bytes), name=name, media_type=media_type)

    async def get(self, ref: ArtifactRef) -> bytes:
        """The bytes behind a reference. Raises ArchiveError if they are missing or are not what was stored."""
        data = await self._objects.read(_address(ref.sha256))
        if data is None:
            raise ArchiveError(
                f"{ref.name or 'artifact'} ({ref.sha256}) is not in the archive: restore it from a backup"
            )
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise ArchiveError(f"{ref.name or 'artifact'} ({ref.sha256}) was changed in the archive: restore it")
        return data


def _address(digest: str) -> str:
    return f"blobs/{digest[:2]}/{digest}"
