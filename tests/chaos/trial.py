"""One kill test from its start to what was found."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import ledger, orphans, recovery
from tests.chaos.faults import KINDS, Drawn, Nobody, Struck, draw
from tests.chaos.observer import Observer
from tests.chaos.people import Asked, GivenUp, see_through
from tests.chaos.report import Findings
from tests.chaos.world import HOSTS, World, world

_BASES = 3
"""Repositories, so that some tasks overtake each other's base and some don't."""
_PATIENCE_SECONDS = 900.0
"""For one intent under faults; an intent that takes longer is given up, and told as lost."""
Say = Callable[[str], None]


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


async def trial(state: Path, terms: Terms, say: Say) -> Findings:
    """Carry it out."""
    began = time.monotonic()
    async with world(state, _BASES) as here:
        say(f"up after {time.monotonic() - began:.0f} s: {len(HOSTS)} hosts, {_BASES} repositories")
        observer = Observer(here.settings.hosts)
        observing = asyncio.create_task(observer.look_on())
        findings = Findings(terms.seed, 0, [], [])
        asked: list[Asked] = []
        striking = asyncio.create_task(_strike(here, terms, findings, say))
        people = [asyncio.create_task(_keep_asking(here, asked, striking, findings)) for _ in range(terms.at_once)]
        watching = await striking
        say(f"{len(watching)} faults after {time.monotonic() - began:.0f} s; waiting until everything has settled")
        await asyncio.gather(*people)
        findings.recovered = list(await asyncio.gather(*watching))
        say(f"{len(asked)} tasks have ended after {time.monotonic() - began:.0f} s; looking for what is left over")
        findings.orphans = await orphans.settled(here, observer)
        observing.cancel()
        findings.accounts = [await ledger.account(here, observer, one) for one in asked]
    findings.orphans += [one for one in await orphans.after_the_end(here, observer) if one not in findings.orphans]
    findings.seconds = time.monotonic() - began
    return findings


async def _keep_asking(
    here: World, asked: list[Asked], striking: "asyncio.Task[list[asyncio.Task[recovery.Recovered]]]", found: Findings
) -> None:
    """One task after the other, until there are no more faults."""
    while True:
        number = len(asked) + 1
        intent = Asked(f"N{number}", here.repositories[number % len(here.repositories)])
        asked.append(intent)
        try:
            await see_through(here, intent, _PATIENCE_SECONDS)
        except GivenUp as given_up:
            found.given_up.append(str(given_up))
        if striking.done():
            return


async def _strike(here: World, terms: Terms, found: Findings, say: Say) -> "list[asyncio.Task[recovery.Recovered]]":
    """One fault after the other; a pause goes on while the next one strikes."""
    striking = []
    for drawn in draw(terms.seed, terms.kills, terms.mean_gap_seconds, terms.only or tuple(KINDS)):
        await asyncio.sleep(drawn.after_seconds)
        striking.append(asyncio.create_task(_one(here, drawn, say)))
    await asyncio.wait(striking)
    found.missed = [drawn.kind for task in striking if (drawn := task.result()[0]) and task.result()[1] is None]
    return [watching for task in striking if (watching := task.result()[1]) is not None]


async def _one(here: World, drawn: Drawn, say: Say) -> "tuple[Drawn, asyncio.Task[recovery.Recovered] | None]":
    at = time.time()
    try:
        victim, tasks = await KINDS[drawn.kind](here, drawn)
    except (Nobody, TimeoutError):
        say(f"{drawn.number:4} {drawn.kind}: nobody there")
        return drawn, None
    say(f"{drawn.number:4} {drawn.kind}: {victim} ({len(tasks)} tasks)")
    return drawn, asyncio.create_task(recovery.watch(here, Struck(drawn, at, victim, tasks)))
