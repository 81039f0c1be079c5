"""Counting an agent's tool calls while it runs, so that a run ends before its context drifts."""

import re
from collections import deque

from activities.agents.adapter import AgentAdapter
from activities.agents.heard import Heard
from activities.agents.transcript import TranscriptReader
from workflows.models.transcript import EventKind, TranscriptEvent

_RECENT = 400
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""No option of a command line, and no path."""
_SIDE_BY_SIDE = 16
"""Calls that an agent may have under way at once; one that reports no results is ended that many calls late."""


class ToolCallCount:
    """Reads output as it comes. Counting from the beginning again, as after a worker's restart, gives the same."""

    def __init__(self, adapter: AgentAdapter, limit: int) -> None:
        self._reader = TranscriptReader(adapter)
        self._limit = limit
        self.calls = 0
        self._results = 0
        self.session = ""
        """The command line's own id of its conversation, in a form that can be given back to it."""
        self.heard = Heard()
        self.recent: deque[TranscriptEvent] = deque(maxlen=_RECENT)
        """Of what was said and done, the last."""
        self.reached = False
        """Whether as many calls as one run may make are over, and none is under way."""

    def saw(self, output: bytes) -> bool:
        """Whether the limit is reached with this output."""
        self.heard.output(output)
        for event in self._reader.feed(output):
            self._count(event)
            if self._at_the_limit():
                self.reached = True
        return self.reached

    @property
    def at_a_boundary(self) -> bool:
        """Whether no tool call is under way, by the agent's own word."""
        return self._results >= self.calls

    def _count(self, event: TranscriptEvent) -> None:
        self.calls += event.kind is EventKind.TOOL_CALL
        self._results += event.kind is EventKind.TOOL_RESULT
        if _SESSION_ID.fullmatch(event.session):
            self.session = event.session
        self.heard.event(event)
        self.recent.append(event)

    def _at_the_limit(self) -> bool:
        at_the_limit = self.at_a_boundary and self._results >= self._limit
        return at_the_limit or self.calls > self._limit + _SIDE_BY_SIDE
