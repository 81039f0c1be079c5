"""The first thing that is said in a session: at once when Linear tells of it, whatever else is down or busy here.

Linear calls an agent unresponsive that says nothing for ten seconds. Carrying it out says the same, once.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from activities.tracker.linear.failed import LinearAway, LinearRefused
from activities.tracker.linear.meaning import Meaning, SessionBegun
from activities.tracker.linear.sessions import LinearSessions

_MARK = "heard"
_MOST_AT_ONCE = 100
_log = logging.getLogger(__name__)


async def greet(sessions: LinearSessions, session_id: str) -> None:
    """Say that it is heard, once. Raises LinearRefused, LinearAway."""
    await sessions.say(session_id, "thought", "Looking at the issue.", _MARK)


class Greeting:
    """Greets sessions as they are told of."""

    def __init__(self, sessions: LinearSessions) -> None:
        self._sessions = sessions
        self._under_way: set[asyncio.Task[None]] = set()

    def heard(self, told: Meaning) -> None:
        """Greet it if it is a session that begins; never waits."""
        if isinstance(told, SessionBegun) and len(self._under_way) < _MOST_AT_ONCE:
            task = asyncio.create_task(self._greet(told.session_id))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What is under way when the block ends is given up: carrying it out says it."""
        try:
            yield
        finally:
            for task in self._under_way:
                task.cancel()

    async def _greet(self, session_id: str) -> None:
        try:
            await greet(self._sessions, session_id)
        except (LinearAway, LinearRefused) as error:
            _log.info("session %s is greeted later: %s", session_id, error)
