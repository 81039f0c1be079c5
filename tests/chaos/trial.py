"""One kill test from its start to what was found."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.figures import percentile
from tests.chaos import ledger, orphans
from tests.chaos.faults import KINDS
from tests.chaos.observer import Observer
from tests.chaos.people import Asked, GivenUp, see_through
from tests.chaos.report import Findings
from tests.chaos.striking import Say, Striking
from tests.chaos.world import HOSTS, World, world

_BASES = 3
"""Repositories, so that some tasks overtake each other's base and some don't."""
_PATIENCE_SECONDS = 900.0
"""For one intent under faults; an intent that takes longer is given up, and told as lost."""
_PROGRESS_SECONDS = 60.0


@dataclass(frozen=True)
class Terms:
    """What a trial is to be."""

    kills: int
    seed: int
    at_once: int = 6
    """Tasks under way at any time; new ones are asked for until the last fault."""
    mean_gap_seconds: float = 3.0
    only: tuple[str, ...] = ()
    """Kinds of faults; all if it is empty."""


@dataclass(frozen=True)
class Wishes:
    """What somebody who watches a trial may want of it meanwhile."""

    no_more_faults: asyncio.Event = field(default_factory=asyncio.Event)
    """Let everything settle, and report."""
    end_now: asyncio.Event = field(default_factory=asyncio.Event)
    """Report what has settled so far, and end the rest with the installation."""


async def trial(state: Path, terms: Terms, say: Say, wishes: Wishes | None = None) -> Findings:
    """Carry it out."""
    wishes = wishes or Wishes()
    began = time.monotonic()
    findings = Findings(terms.seed, terms.kills)
    async with world(state, _BASES) as here:
        say(f"up after {time.monotonic() - began:.0f} s: {len(HOSTS)} hosts, {_BASES} repositories")
        observer = Observer(here.settings.hosts)
        crowd = _Crowd(here, findings)
        striking = Striking(here, say, wishes.no_more_faults)
        observing = asyncio.create_task(observer.look_on())
        telling = asyncio.create_task(_tell(crowd, striking, began, say))
        findings.missed, findings.recovered = striking.missed, striking.recovered
        try:
            if await _before(_settled(crowd, striking, terms, say, began), wishes.end_now):
                say(f"{len(crowd.asked)} tasks have ended after {time.monotonic() - began:.0f} s; looking for orphans")
                findings.orphans = await orphans.settled(here, observer)
        finally:
            observing.cancel()
            telling.cancel()
        findings.unfinished = [one.name for one in crowd.asked if one not in crowd.ended]
        findings.accounts = [await ledger.account(here, observer, one) for one in crowd.ended]
    if not findings.unfinished:
        findings.orphans += [one for one in await orphans.after_the_end(here, observer) if one not in findings.orphans]
    findings.seconds = time.monotonic() - began
    return findings


class _Crowd:
    """Those who ask for one task after the other, until there are no more faults."""

    def __init__(self, here: World, findings: Findings) -> None:
        self._here, self._findings = here, findings
        self.asked: list[Asked] = []
        self.ended: list[Asked] = []

    async def keep_asking(self, striking: "asyncio.Task[None]") -> None:
        """As one of them."""
        while True:
            number = len(self.asked) + 1
            intent = Asked(f"N{number}", self._here.repositories[number % len(self._here.repositories)])
            self.asked.append(intent)
            try:
                await see_through(self._here, intent, _PATIENCE_SECONDS)
            except GivenUp as given_up:
                self._findings.given_up.append(str(given_up))
            self.ended.append(intent)
            if striking.done():
                return


async def _settled(crowd: _Crowd, striking: Striking, terms: Terms, say: Say, began: float) -> None:
    kinds = terms.only or tuple(KINDS)
    async with asyncio.TaskGroup() as group:
        faults = group.create_task(striking.strike(terms.kills, terms.seed, terms.mean_gap_seconds, kinds))
        for _ in range(terms.at_once):
            group.create_task(crowd.keep_asking(faults))
        await faults
        say(f"{striking.struck} faults after {time.monotonic() - began:.0f} s; waiting until everything has settled")
    await striking.settle()


async def _before(work: Awaitable[None], event: asyncio.Event) -> bool:
    """Whether the work was done before the event happened; what is not done then is dropped."""
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        await working
        return True
    working.cancel()
    await asyncio.wait({working})
    return False


async def _tell(crowd: _Crowd, striking: Striking, began: float, say: Say) -> None:
    """Say now and then what there is so far, which is all that is known if the trial itself is killed."""
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        times = [one.seconds for one in striking.recovered if one.seconds is not None]
        took = f", p50 {percentile(times, 50):.1f} s, p99 {percentile(times, 99):.1f} s" if times else ""
        merged = sum(one.merged for one in crowd.asked)
        people = sum(bool(one.interventions) for one in crowd.asked)
        say(
            f"-- {time.monotonic() - began:.0f} s: {striking.struck} faults struck, {len(striking.missed)} found none, "
            f"{len(striking.recovered)} over{took}; {merged} tasks merged, {len(crowd.ended) - merged} given up, "
            f"{len(crowd.asked) - len(crowd.ended)} under way, {people} needed a person"
        )
