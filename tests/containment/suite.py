"""All attempts, and how each is made: first where it has to succeed, then where it must not."""

import asyncio
import time
from collections.abc import Callable, Sequence

from tests.containment import (
    bombs,
    broker,
    deadlines,
    decisions,
    files,
    identities,
    inheritance,
    kernel,
    machine,
    network,
    policy,
    processes,
    registries,
    resources,
    return_code,
    return_path,
    rootless,
    terminals,
    unnoticed,
)
from tests.containment.attempt import Attempt, CouldNotBeMade, NotApplicable, Outcome, Verdict
from tests.containment.ground import Ground

GROUPS: dict[str, Sequence[Attempt]] = {
    "files": (*files.ATTEMPTS, *identities.ATTEMPTS, *machine.ATTEMPTS),
    "processes": (*processes.ATTEMPTS, *terminals.ATTEMPTS),
    "kernel": kernel.ATTEMPTS,
    "network": network.ATTEMPTS,
    "resources": resources.ATTEMPTS,
    "time": deadlines.ATTEMPTS,
    "inheritance": (*inheritance.ATTEMPTS, *rootless.ATTEMPTS),
    "return path": (*return_code.ATTEMPTS, *return_path.ATTEMPTS, *bombs.ATTEMPTS),
    "broker": (*broker.ATTEMPTS, *registries.ATTEMPTS),
    "policy": (*policy.ATTEMPTS, *unnoticed.ATTEMPTS, *decisions.ATTEMPTS),
}


_GROUPS_AT_ONCE = 3
"""Most of the time an attempt waits for something to happen or not to happen."""


class NoSuchAttempt(LookupError):
    """Neither a group nor an attempt has this name."""


def chosen(names: Sequence[str]) -> list[Attempt]:
    """The attempts of these groups and of these names, all of them if none are given. Raises NoSuchAttempt."""
    everything = [attempt for attempts in GROUPS.values() for attempt in attempts]
    for name in names:
        if name not in GROUPS and name not in {attempt.name for attempt in everything}:
            raise NoSuchAttempt(f"there is no group or attempt {name!r}; groups: {', '.join(GROUPS)}")
    return [attempt for attempt in everything if not names or attempt.name in names or attempt.group in names]


Proven = dict[str, str]
"""By attempt: empty if its control has succeeded, else why it could not be made."""


async def make_all(
    attempts: Sequence[Attempt], ground: Ground, proven: Proven, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Make each attempt on a ground's backend, one after the other in a group and some groups at a time.

    Controls that were made for another backend count, where they are made in none of its sandboxes.
    """
    own: Proven = {}
    turn = asyncio.Semaphore(_GROUPS_AT_ONCE)
    made: dict[str, Outcome] = {}

    async def make_group(group: str) -> None:
        async with turn:
            for attempt in attempts:
                if attempt.group == group:
                    began = time.monotonic()
                    verdict, detail = await _make(attempt, ground, own if attempt.shown_by_the_backend else proven)
                    made[attempt.name] = Outcome(attempt, verdict, detail, time.monotonic() - began)
                    tell(made[attempt.name])

    async with asyncio.TaskGroup() as groups:
        for group in dict.fromkeys(attempt.group for attempt in attempts):
            groups.create_task(make_group(group))
    return [made[attempt.name] for attempt in attempts]


async def _make(attempt: Attempt, ground: Ground, proven: Proven) -> tuple[Verdict, str]:
    verdict, detail = await _once(attempt, ground, proven)
    if verdict is Verdict.UNPROVEN:
        # A machine that is too busy for a moment is tried once more. What got out has got out, and is not.
        verdict, detail = await _once(attempt, ground, proven)
    return verdict, detail


async def _once(attempt: Attempt, ground: Ground, proven: Proven) -> tuple[Verdict, str]:
    try:
        if attempt.name not in proven:
            shown = await attempt.control(ground)
            if not shown.success:
                return Verdict.UNPROVEN, f"its control ({attempt.controlled_by}) achieved nothing: {shown.said}"
            proven[attempt.name] = ""
        if proven[attempt.name]:
            return Verdict.NOT_APPLICABLE, proven[attempt.name]
        result = await attempt.attack(ground)
    except NotApplicable as reason:
        proven.setdefault(attempt.name, str(reason))
        return Verdict.NOT_APPLICABLE, str(reason)
    except CouldNotBeMade as reason:
        return Verdict.UNPROVEN, f"it could not be made: {reason}"
    except Exception as error:
        # One attempt that breaks must not keep the others from being made, and is no success either.
        return Verdict.UNPROVEN, f"it broke: {error!r}"
    if result.success:
        return Verdict.ESCAPED, result.success
    return Verdict.HELD, result.said
