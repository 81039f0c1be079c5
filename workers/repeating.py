"""Chores that are done again and again for as long as a process serves, whatever goes wrong in between."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


async def repeat(what: str, chore: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Do a chore now and then again, `seconds` after each time. A failure is told once, until it works again.

    No error ends it: one that ended unseen would be missed only when it is too late, such as a lease that lapses.
    """
    failed = False
    while True:
        try:
            await chore()
        except Exception as error:
            if not failed:
                _log.error("can't %s, trying again every %g s: %s: %s", what, seconds, type(error).__name__, error)
            failed = True
        else:
            if failed:
                _log.warning("can %s again", what)
            failed = False
        await asyncio.sleep(seconds)
