"""An archive that keeps no secret of what programs and people wrote."""

import asyncio
from pathlib import Path

from activities.archive.contract import ArtifactStore
from activities.redaction.redactor import Redactor
from workflows.models.artifact import ArtifactRef

_WRITTEN = {"text/plain", "text/markdown", "application/jsonl"}
"""Kinds that are read by people. A patch is not among them: it has to stay what was judged, and a secret in it keeps
it from being published. Nor is evidence, which never repeats a secret and is named by its hash."""


class RedactedArtifacts:
    """Implements archive.contract.ArtifactStore on another one."""

    def __init__(self, artifacts: ArtifactStore, redactor: Redactor) -> None:
        self._artifacts = artifacts
        self._redactor = redactor

    async def put(self, data: bytes, *, name: str, media_type: str = "application/octet-stream") -> ArtifactRef:
        """Store the bytes, without the secrets in them if they are text that somebody reads."""
        if media_type in _WRITTEN:
            data = await asyncio.to_thread(self._redactor.output, data)
        return await self._artifacts.put(data, name=name, media_type=media_type)

    async def put_file(self, path: Path, *, name: str, media_type: str = "application/octet-stream") -> ArtifactRef:
        """As `put`."""
        return await self.put(await asyncio.to_thread(path.read_bytes), name=name, media_type=media_type)

    async def get(self, ref: ArtifactRef) -> bytes:
        """What was stored."""
        return await self._artifacts.get(ref)
