"""The common transcript: what any agent said and did, one event a line."""

from enum import StrEnum

from workflows.models.base import Model


class EventKind(StrEnum):
    """Kinds of transcript event."""

    MESSAGE = "message"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    USAGE = "usage"
    DENIAL = "denial"
    RESULT = "result"
    ERROR = "error"


class TranscriptEvent(Model):
    """One thing an agent said or did, as its CLI reported it: display and diagnosis, never proof."""

    kind: EventKind
    text: str = ""
    tool: str = ""
    is_error: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    session: str = ""
    """The CLI's own session id, where it names one."""
    call: str = ""
    """The CLI's own id of a tool call, the same on its result, where it gives one."""
    at: float = 0
    """Unix seconds when the line arrived, by the supervisor's clock; 0 if that is not known."""
