"""Looking at a run for signs of a hang, for as long as a step follows it."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from activities.agents.adapter import Hang
from activities.agents.heard import Said
from activities.egress.contract import EgressGateway, Traffic
from activities.egress.places import GatewayError
from activities.host.hangs import HangDetector, Look
from activities.sandbox.contract import Sandboxes, Vitals

_LOOKS = 8
"""Within the shortest limit."""
_SOONEST, _LATEST = 0.1, 5.0
"""Seconds between two looks."""


class HangWatch:
    """Looks at one run. One that is followed anew, as after a worker's restart, is given all of its time again."""

    def __init__(
        self,
        sandboxes: Sandboxes,
        gateway: EgressGateway,
        run_id: str,
        hangs: Sequence[Hang],
        said: Callable[[], Said],
    ) -> None:
        """`said`: what its output says of where it stands."""
        self._sandboxes, self._gateway, self._run_id = sandboxes, gateway, run_id
        self._hangs = tuple(hangs)
        self._said = said
        self._traffic = Traffic()

    async def hang(self) -> Hang:
        """Wait until it hangs."""
        detector = HangDetector(self._hangs)
        shortest = min((hang.seconds for hang in self._hangs), default=_LATEST * _LOOKS)
        pause = min(max(shortest / _LOOKS, _SOONEST), _LATEST)
        last = time.monotonic()
        while True:
            await asyncio.sleep(pause)
            # Until it is started there is nothing to look at, and when it is over somebody else notices.
            vitals = Vitals(stands_still=True)
            with contextlib.suppress(LookupError, OSError):
                vitals = await self._sandboxes.vitals(self._run_id)
            # While the gateway restarts, nothing passes it either: nothing is known of it then.
            with contextlib.suppress(GatewayError, OSError):
                self._traffic = await self._gateway.traffic(self._run_id, self._traffic)
            now = time.monotonic()
            # A worker or a machine that stood still itself has not seen what happened meanwhile.
            passed = 0.0 if vitals.stands_still else min(now - last, 2 * pause + 1)
            last = now
            hang = detector.look(
                Look(
                    seconds=passed,
                    output_bytes=vitals.output_bytes,
                    cpu_seconds=vitals.cpu_seconds,
                    traffic=self._traffic,
                    said=self._said(),
                )
            )
            if hang is not None:
                return hang
