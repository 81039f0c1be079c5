"""The record of halts: signed by gateways, in the archive, where neither Temporal nor a workflow has a part in it.

An entry that no gateway signed counts for nothing. A resume names the halts that it ends, so that an old one that is
put there again lifts no new halt. What can't be read is not taken for an empty record: nobody acts by it.
"""

import asyncio
import contextlib
import time
from pathlib import Path

from obstore.exceptions import BaseError
from pydantic import ValidationError

from activities.archive.chains import Chains
from activities.archive.objects import ArchiveError, Objects
from activities.decisions.keys import KeyUnusable, SigningKey, TrustedKeys
from activities.decisions.signed_record import SignedRecord
from workflows.models.halt import HaltEntry, Work, standing

FOLDER = "halts"
"""Of the archive."""
KIND = "halt"
"""Of its entries."""
_CHAIN = "installation"
_READ_SECONDS = 5.0
_KNOWN_SECONDS = 60.0
"""After which entries are read again although none came: somebody may have been taken out of one."""


class Halted(Exception):
    """What was ordered waits until somebody resumes; the message is for people."""


class HaltsUnreadable(Exception):
    """It is not known what is halted; the message says why, and what to do."""


class HaltRecord:
    """Reads what is halted, and adds to it where there is a gateway's key."""

    def __init__(
        self, objects: Objects, gateways: TrustedKeys, key: SigningKey | None = None, *, memory: Path | None = None
    ) -> None:
        """`memory`: file that keeps how long the record was, so that one that is shorter later is noticed also by the
        next process.
        """
        self._objects = objects
        self._record = SignedRecord(Chains(objects, FOLDER, gateways), gateways, key)
        self._memory = memory
        self._names: list[str] | None = None
        self._entries: tuple[HaltEntry, ...] = ()
        self._longest = 0
        self._read_at = 0.0

    async def entries(self, *, anew: bool = False) -> tuple[HaltEntry, ...]:
        """Every halt and resume that a gateway signed. `anew`: as they are now, word for word.

        Raises HaltsUnreadable.
        """
        try:
            async with asyncio.timeout(_READ_SECONDS):
                return await self._read(anew=anew)
        except TimeoutError as error:
            raise HaltsUnreadable(_unreadable(f"the archive did not answer within {_READ_SECONDS:g} s")) from error
        except ValidationError as error:
            raise HaltsUnreadable(_unreadable("a newer Journeyman wrote it: upgrade this one")) from error
        except (ArchiveError, BaseError, KeyUnusable, OSError, ValueError) as error:
            raise HaltsUnreadable(_unreadable(_said(error))) from error

    async def standing(self) -> tuple[HaltEntry, ...]:
        """The halts that nobody has lifted. Raises HaltsUnreadable."""
        return standing(await self.entries())

    async def unconfirmed(self) -> tuple[HaltEntry, ...]:
        """Halts that would stand if a gateway that is known here had signed them: they hold nothing.

        So it is with all of them once the gateway's key was replaced. Those are left out of whose scope something was
        halted or resumed since, with a key that counts. Raises HaltsUnreadable.
        """
        counted = await self.entries()
        try:
            async with asyncio.timeout(_READ_SECONDS):
                others = await self._record.unconfirmed(_CHAIN, KIND, HaltEntry)
        except (ArchiveError, BaseError, OSError, TimeoutError) as error:
            raise HaltsUnreadable(_unreadable(_said(error))) from error
        known = {entry.id for entry in counted}
        last = {entry.scope.told: entry.at for entry in sorted(counted, key=lambda entry: entry.at)}
        return tuple(
            halt
            for halt in standing((*others, *counted))
            if halt.id not in known and not (halt.scope.told in last and last[halt.scope.told] >= halt.at)
        )

    async def add(self, entry: HaltEntry) -> None:
        """Put a halt or a resume on record, once. Raises HaltsUnreadable where the record is broken."""
        await self.entries()
        try:
            async with asyncio.timeout(_READ_SECONDS):
                await self._record.append(_CHAIN, f"{entry.action}-{entry.id}", KIND, entry)
        except (ArchiveError, BaseError, OSError, TimeoutError) as error:
            raise HaltsUnreadable(f"nothing was put on record: {_said(error)}") from error

    async def refuse(self, work: Work) -> None:
        """The last look before something is done outside. Raises Halted, also when it can't be known."""
        try:
            halts = await self.standing()
        except HaltsUnreadable as error:
            raise Halted(f"nothing is done outside while it is not known what is halted: {error}") from error
        if why := covering(halts, work):
            raise Halted(why)

    async def _read(self, *, anew: bool) -> tuple[HaltEntry, ...]:
        # What an entry does never changes once it is there, so that a look is one listing.
        names = await self._objects.names(FOLDER)
        if anew or names != self._names or time.monotonic() - self._read_at > _KNOWN_SECONDS:
            longest = max(self._longest, self._remembered())
            if len(names) < longest:
                kept = f", or remove {self._memory} if you put back an older archive" if self._memory else ""
                raise ArchiveError(f"there were {longest} entries and there are {len(names)}: restore them{kept}")
            self._entries = await self._record.read(_CHAIN, KIND, HaltEntry)
            self._names, self._longest, self._read_at = names, len(names), time.monotonic()
            self._remember(len(names))
        return self._entries

    def _remembered(self) -> int:
        if self._memory is None or not self._memory.exists():
            return 0
        return int(self._memory.read_text())

    def _remember(self, entries: int) -> None:
        if self._memory is None:
            return
        # On a full disk this process alone remembers.
        with contextlib.suppress(OSError):
            draft = self._memory.with_suffix(".draft")
            draft.write_text(str(entries))
            draft.rename(self._memory)


def covering(halts: tuple[HaltEntry, ...], work: Work | None) -> str:
    """Why this work is stopped, in words; empty if it is not."""
    return next((halt.told for halt in halts if halt.scope.covers(work)), "")


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0][:300]


def _unreadable(why: str) -> str:
    return f"the record of halts ({FOLDER}/ in the archive) can't be read: {why}"
