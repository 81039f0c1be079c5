"""The intent index: the record against duplicates, kept when Temporal has forgotten the workflow.

Each key has at most one claim, made by atomic create. A claim either is a root, which owns the attempts, or leads to
a stronger key. Keys are claimed from the weakest to the strongest, and a weaker key's claim names the strongest key
rather than a task. So two askers who share any key meet at the same root, whichever of them comes first and wherever
either dies: a claim that leads to a key without a claim is completed by whoever meets it.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from activities.archive.contract import SCHEMA_VERSION, IntentRecord
from activities.archive.objects import ArchiveError, Objects
from workflows.models.base import Model
from workflows.models.intent import task_id

_LONGEST_TRAIL = 8
"""Claims that lead to claims; real intents have at most four keys."""


class _Claim(Model):
    schema_version: int = SCHEMA_VERSION
    key: str
    leads_to: str = ""
    claimed_at: str = ""


class Intents:
    """Implements contract.IntentIndex on any object store with atomic create."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def claim(self, keys: Sequence[str], *, after: int = 0) -> tuple[IntentRecord, bool]:
        """Claim an intent, or find who has it. `keys` are strongest first; see contract.IntentIndex."""
        root = keys[0]
        for weaker in reversed(keys[1:]):
            if not await self._create(_Claim(key=weaker, leads_to=root)):
                root = await self._root(weaker)
        leads_to = "" if root == keys[0] else root
        new = await self._create(_Claim(key=keys[0], leads_to=leads_to))
        if not new or leads_to:
            root, new = await self._root(keys[0]), False
        if after and not new:
            return await self._attempt_after(root, after)
        return await self._latest(root), new

    async def find(self, key: str) -> IntentRecord | None:
        """The record a key leads to, or None if nobody ever asked for it."""
        if await self._read(key) is None:
            return None
        return await self._latest(await self._root(key))

    async def _root(self, key: str) -> str:
        for _ in range(_LONGEST_TRAIL):
            claim = await self._read(key)
            if claim is None:
                # Whoever claimed the weaker key died before this one: finish for them.
                await self._create(_Claim(key=key))
                return key
            if not claim.leads_to:
                return key
            key = claim.leads_to
        raise ArchiveError(f"the intent index leads in a circle at {key!r}: restore intents/ from a backup")

    async def _latest(self, root: str) -> IntentRecord:
        attempts = await self._objects.names(f"{_folder(root)}/attempts")
        number = 1 + len(attempts)
        claimed_at = ""
        if claim := await self._read(root):
            claimed_at = claim.claimed_at
        return IntentRecord(key=root, task_id=task_id(root, number), attempt=number, claimed_at=claimed_at)

    async def _attempt_after(self, root: str, ended: int) -> tuple[IntentRecord, bool]:
        # By the attempt that the asker saw end, not by the latest: that one may be another asker's, a moment old.
        name = f"{_folder(root)}/attempts/{ended + 1:06d}.json"
        new = await self._objects.create(name, _Claim(key=root, claimed_at=_now()).model_dump_json().encode())
        return await self._latest(root), new

    async def _create(self, claim: _Claim) -> bool:
        stamped = claim.model_copy(update={"claimed_at": _now()})
        return await self._objects.create(f"{_folder(claim.key)}/claim.json", stamped.model_dump_json().encode())

    async def _read(self, key: str) -> _Claim | None:
        raw = await self._objects.read(f"{_folder(key)}/claim.json")
        if raw is None:
            return None
        try:
            claim = _Claim.model_validate_json(raw)
        except ValidationError as error:
            raise ArchiveError(f"the claim of {key!r} can't be read: restore intents/ from a backup") from error
        if claim.schema_version > SCHEMA_VERSION:
            raise ArchiveError(f"the claim of {key!r} was written by a newer Journeyman: upgrade this one to read it")
        return claim


def _folder(key: str) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"intents/{digest[:2]}/{digest}"


def _now() -> str:
    return datetime.now(UTC).isoformat()
