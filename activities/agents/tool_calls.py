"""Counting an agent's tool calls while it runs, so that a run ends before its context drifts."""

from activities.agents.adapter import AgentAdapter
from activities.agents.transcript import TranscriptReader
from workflows.models.transcript import EventKind, TranscriptEvent

_SIDE_BY_SIDE = 16
"""Calls that an agent may have under way at once; one that reports no results is ended that many calls late."""


class ToolCallCount:
    """Reads output as it comes. Counting from the beginning again, as after a worker's restart, gives the same."""

    def __init__(self, adapter: AgentAdapter, limit: int) -> None:
        self._reader = TranscriptReader(adapter)
        self._limit = limit
        self._calls = 0
        self._results = 0
        self.reached = False
        """Whether as many calls as one run may make are over, and none is under way."""

    def saw(self, output: bytes) -> bool:
        """Whether the limit is reached with this output."""
        for event in self._reader.feed(output):
            self._count(event)
            if self._at_the_limit():
                self.reached = True
        return self.reached

    def _count(self, event: TranscriptEvent) -> None:
        self._calls += event.kind is EventKind.TOOL_CALL
        self._results += event.kind is EventKind.TOOL_RESULT

    def _at_the_limit(self) -> bool:
        at_a_boundary = self._results >= max(self._calls, self._limit)
        return at_a_boundary or self._calls > self._limit + _SIDE_BY_SIDE
