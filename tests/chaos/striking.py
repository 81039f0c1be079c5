"""Striking with one fault after the other until as many as were asked for have hit something."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from tests.chaos.faults import KINDS, Drawn, Nobody, Struck, draw
from tests.chaos.recovery import Recovered, watch
from tests.chaos.world import World

_DRAWS_A_KILL = 3
"""A plan whose faults find so few victims ends short of them, and says so."""
_SLOW_SECONDS = 20.0
"""What takes longer is told, with what it waited for."""
Say = Callable[[str], None]


@dataclass
class Striking:
    """What was struck so far, and what became of it."""

    world: World
    say: Say
    stop: asyncio.Event
    """Set by whoever wants no more faults."""
    struck: int = 0
    missed: list[str] = field(default_factory=list)
    """Kinds whose turn came when there was no victim."""
    recovered: list[Recovered] = field(default_factory=list)
    """Those whose effect is over, or was given up."""
    _under_way: set["asyncio.Task[None]"] = field(default_factory=set)
    _watching: set["asyncio.Task[None]"] = field(default_factory=set)

    async def strike(self, kills: int, seed: int, mean_gap_seconds: float, kinds: tuple[str, ...]) -> None:
        """Until so many have struck; a pause goes on while the next one strikes."""
        for drawn in draw(seed, mean_gap_seconds, kinds):
            while self.struck + len(self._under_way) >= kills and self._under_way:
                # One of them may find nobody.
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            if self.struck >= kills or drawn.number > kills * _DRAWS_A_KILL or self.stop.is_set():
                break
            await self._pause(drawn.after_seconds)
            self._keep(self._under_way, self._one(drawn))
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def settle(self) -> None:
        """Wait until everything that was hit is at work again, or was given up."""
        while self._watching:
            await asyncio.wait(self._watching)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return

    def _keep(self, where: set["asyncio.Task[None]"], carried_on: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(carried_on)
        where.add(task)
        task.add_done_callback(where.discard)

    async def _one(self, drawn: Drawn) -> None:
        at = time.time()
        try:
            victim, tasks = await KINDS[drawn.kind](self.world, drawn)
        except (Nobody, TimeoutError):
            self.missed.append(drawn.kind)
            self.say(f"{drawn.number:4} {drawn.kind}: nobody there")
            return
        self.struck += 1
        self.say(f"{drawn.number:4} {drawn.kind}: {victim} ({len(tasks)} tasks)")
        self._keep(self._watching, self._watch(Struck(drawn, at, victim, tasks)))

    async def _watch(self, struck: Struck) -> None:
        recovered = await watch(self.world, struck)
        self.recovered.append(recovered)
        if recovered.seconds is None or recovered.seconds > _SLOW_SECONDS:
            took = "never went on" if recovered.seconds is None else f"went on after {recovered.seconds:.0f} s"
            self.say(
                f"     {struck.drawn.kind} of {struck.victim} ({struck.drawn.number}) {took}; {recovered.waited_for}"
            )
