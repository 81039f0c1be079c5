"""Halts on this host: looked for again and again, with whatever runs here made to stand still.

Nothing but the archive is asked, so it works with Temporal down. What is halted is marked in each run's own directory:
it stands still also when no worker is there any more, and the next one finds the mark.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from activities.decisions.halts import Halted, HaltRecord, HaltsUnreadable, covering
from activities.sandbox.host import HostSandboxes
from workflows.models.halt import HaltEntry, HaltScope, Reach, Work
from workflows.models.plural import plural

LOOK_SECONDS = 1.5
"""Between two looks. With the looks themselves, and the supervisors' own, what is resumed goes on within two."""
_EVERYTHING = HaltScope(reach=Reach.ALL)
_log = logging.getLogger(__name__)


class HostHalts:
    """What is halted, as this host saw it last."""

    def __init__(self, record: HaltRecord, sandboxes: HostSandboxes, *, blind_seconds: float) -> None:
        """Runs stand still after `blind_seconds` without knowing: a halt may be there that this host can't see."""
        self._record = record
        self._sandboxes = sandboxes
        self._blind_seconds = blind_seconds
        self._halts: tuple[HaltEntry, ...] = ()
        self._known_at = time.monotonic()
        self._unknown = "it is not known yet what is halted"
        self._held: tuple[str, ...] = ()

    async def look(self) -> tuple[str, ...]:
        """Find out what is halted and see to it. Ids of the runs that are made to stand still.

        Raises HaltsUnreadable: what stands still stays so, nothing new begins, and in time everything stands still.
        """
        try:
            halts = await self._record.standing()
        except HaltsUnreadable as error:
            self._unknown = f"nothing new begins here while {error}"
            if time.monotonic() - self._known_at > self._blind_seconds:
                await self._hold(_EVERYTHING.covers, self._unknown)
            raise
        self._halts, self._known_at, self._unknown = halts, time.monotonic(), ""
        why = "; ".join(halt.told for halt in halts)
        # Also where nothing is halted: whoever looked before, or beside this, may have marked runs.
        await self._hold(lambda work: any(halt.scope.covers(work) for halt in halts), why)
        return self._held

    async def unconfirmed(self) -> tuple[HaltEntry, ...]:
        """Halts that hold nothing, since no key that counts here signed them. Raises HaltsUnreadable."""
        return await self._record.unconfirmed()

    def why_not(self, work: Work) -> str:
        """Why this work may not go on now; empty if it may."""
        return self._unknown or covering(self._halts, work)

    def refuse(self, work: Work) -> None:
        """Raises Halted."""
        if why := self.why_not(work):
            raise Halted(why)

    async def _hold(self, covers: Callable[[Work | None], bool], why: str) -> None:
        held = await asyncio.to_thread(self._sandboxes.halt, covers)
        if new := set(held) - set(self._held):
            _log.warning("made to stand still: %s: %s", plural(len(new), "sandbox"), why)
        if self._held and not held:
            _log.warning("nothing stands still any more for a halt")
        self._held = held
