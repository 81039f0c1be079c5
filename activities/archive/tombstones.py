"""What was removed from the archive on purpose: a note that stays in its place, signed by who removed it.

So nobody takes for damage what went by a rule, and nobody who can write to the archive makes damage look like a rule.
"""

import json

from pydantic import ValidationError

from activities.archive.artifacts import address
from activities.archive.contract import SCHEMA_VERSION, Tombstone
from activities.archive.objects import ArchiveError, Objects
from activities.decisions.keys import SigningKey, TrustedKeys, Untrusted
from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model


class _Signed(Model):
    tombstone: Tombstone
    key_id: str
    signature: str


class SignedTombstones:
    """Implements contract.Tombstones, and writes them where there is a key to sign with."""

    def __init__(self, objects: Objects, trusted: TrustedKeys, key: SigningKey | None = None) -> None:
        """`trusted`: the keys of those who may remove something, which are the workers'."""
        self._objects = objects
        self._trusted = trusted
        self._key = key

    async def put(self, stone: Tombstone) -> None:
        """Before what it is about is removed: whoever dies in between has removed nothing unsaid."""
        assert self._key is not None, "who only reads has no key to sign with"
        signed = _Signed(tombstone=stone, key_id=self._key.key_id, signature=self._key.sign(_message(stone)))
        await self._objects.replace(_name(stone.trace_id or stone.sha256), signed.model_dump_json().encode())

    async def of(self, ref: ArtifactRef) -> Tombstone | None:
        """What is known of an artefact that was removed and is not there again."""
        stone = await self._read(ref.sha256, address(ref.sha256))
        # Signed notes can be copied: one counts in its own place alone.
        return stone if stone is not None and stone.sha256 == ref.sha256 else None

    async def of_trace(self, trace_id: str) -> Tombstone | None:
        """The same for a trace."""
        stone = await self._read(trace_id, "")
        return stone if stone is not None and stone.trace_id == trace_id else None

    async def _read(self, key: str, again: str) -> Tombstone | None:
        raw = await self._objects.read(_name(key))
        if raw is None or (again and await self._objects.written_at(again) is not None):
            return None
        try:
            signed = _Signed.model_validate_json(raw)
            if signed.tombstone.schema_version > SCHEMA_VERSION:
                raise ArchiveError(f"{_name(key)} was written by a newer Journeyman: upgrade this one to read it")
            self._trusted.verify(signed.key_id, signed.signature, _message(signed.tombstone))
        except (ValidationError, Untrusted):
            # Nobody's word: what it is about is missing, and not known to be removed.
            return None
        return signed.tombstone


def _name(key: str) -> str:
    return f"tombstones/{key[:2]}/{key}.json"


def _message(stone: Tombstone) -> bytes:
    # Notes about artefacts are signed as they were before there was a trace's id in any.
    left_out = None if stone.trace_id else {"trace_id"}
    content = json.dumps(stone.model_dump(mode="json", exclude=left_out), sort_keys=True, separators=(",", ":"))
    return b"journeyman tombstone\n" + content.encode()
