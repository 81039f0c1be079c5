"""Deliveries on record: written before they are acknowledged, and marked when something came of them.

`pending/` is what its sender was told is taken, whatever dies next; it goes when it is carried out. `done/` is the
record against doing it twice, for as long as there is an archive: Temporal forgets. It holds none of the words, and no
person.
"""

import base64
import hashlib
import re
from datetime import UTC, datetime

from pydantic import ValidationError

from activities.archive.objects import ArchiveError, Objects
from workflows.models.base import Model
from workflows.models.delivery import DeliveryResult

_FOLDER = "deliveries"
_PENDING = re.compile(rf"{_FOLDER}/pending/([0-9a-f]{{64}})\.json")


class DeliveryDamaged(ArchiveError):
    """What is on record is not what was sent; the message says what to do."""


class StoredDelivery(Model):
    """One delivery as it came in."""

    schema_version: int = 1
    source: str = "github"
    """Which system told it: `github`, `slack` or `linear`."""
    event: str
    guid: str
    """As that system's own list of deliveries has it, if there is one."""
    signature: str
    body_base64: str
    received_at: datetime

    @property
    def body(self) -> bytes:
        """As it was signed."""
        return base64.b64decode(self.body_base64)


class DoneDelivery(Model):
    """What came of one."""

    schema_version: int = 1
    source: str = "github"
    event: str
    guid: str
    received_at: datetime
    done_at: datetime
    result: DeliveryResult


def digest_of(body: bytes) -> str:
    """By what a delivery is known: only its body is signed."""
    return hashlib.sha256(body).hexdigest()


class Deliveries:
    """Those of this installation, in its archive."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def keep(self, event: str, guid: str, signature: str, body: bytes, source: str = "github") -> bool:
        """Put one on record; False if it is there already, or was carried out before."""
        digest = digest_of(body)
        if await self._objects.read(_done(digest)) is not None:
            return False
        stored = StoredDelivery(
            source=source,
            event=event,
            guid=guid,
            signature=signature,
            body_base64=base64.b64encode(body).decode(),
            received_at=datetime.now(UTC),
        )
        return await self._objects.create(_pending(digest), stored.model_dump_json().encode())

    async def pending(self) -> list[str]:
        """The digests of all that nothing has come of yet."""
        named = (_PENDING.fullmatch(name) for name in await self._objects.names(_pending_folder()))
        return [found[1] for found in named if found is not None]

    async def read(self, digest: str) -> StoredDelivery | None:
        """One that nothing has come of yet. Raises DeliveryDamaged."""
        raw = await self._objects.read(_pending(digest))
        if raw is None:
            return None
        try:
            stored = StoredDelivery.model_validate_json(raw)
            intact = digest_of(stored.body) == digest
        except (ValidationError, ValueError):
            intact = False
        if not intact:
            raise DeliveryDamaged(f"the delivery {digest} was changed in the archive: have it sent again")
        return stored

    async def done(self, digest: str) -> DoneDelivery | None:
        """What came of one that is over."""
        raw = await self._objects.read(_done(digest))
        return DoneDelivery.model_validate_json(raw) if raw is not None else None

    async def claim(self, what: str, digest: str) -> bool:
        """Whether this delivery is the one that tells of something that is done once; another may tell of it, too.

        `what`: unique over all that is told.
        """
        if await self._objects.create(_told(what), digest.encode()):
            return True
        return await self._objects.read(_told(what)) == digest.encode()

    async def discard(self, digest: str) -> None:
        """Drop one that was damaged, so that it can be sent again."""
        await self._objects.remove(_pending(digest))

    async def finish(self, digest: str, stored: StoredDelivery, result: DeliveryResult) -> None:
        """Put on record what came of one, and then keep its words no longer."""
        done = DoneDelivery(
            source=stored.source,
            event=stored.event,
            guid=stored.guid,
            received_at=stored.received_at,
            done_at=datetime.now(UTC),
            # Why, names people; Temporal keeps it for as long as it keeps the workflow.
            result=result.model_copy(update={"detail": ""}),
        )
        await self._objects.create(_done(digest), done.model_dump_json().encode())
        await self._objects.remove(_pending(digest))


def _pending_folder() -> str:
    return f"{_FOLDER}/pending"


def _pending(digest: str) -> str:
    return f"{_pending_folder()}/{digest}.json"


def _told(what: str) -> str:
    known = hashlib.sha256(what.encode()).hexdigest()
    return f"{_FOLDER}/told/{known[:2]}/{known}"


def _done(digest: str) -> str:
    return f"{_FOLDER}/done/{digest[:2]}/{digest}.json"
