"""Conversations: where people talk about a task, outside its forge, and what is shown to them there."""

from datetime import datetime

from pydantic import Field

from workflows.models.base import Model


class Place(Model):
    """Where people talk about a task; on record in its chain, by the word of the gateway that heard them there."""

    key: str = Field(min_length=1, max_length=300)
    """`slack:TEAM:CHANNEL:THREAD`, or `linear:ORGANISATION:ISSUE` or `linear-session:ORGANISATION:SESSION` with
    Linear's own ids, or `github:OWNER/NAME#NUMBER`."""

    @property
    def system(self) -> str:
        """Whose it is."""
        return self.key.partition(":")[0]

    @property
    def parts(self) -> list[str]:
        """What comes after the system."""
        return self.key.split(":")[1:]


class ConversationOrder(Model):
    """What starts the conversation about a task, and has it shown again."""

    task_id: str
    notes: dict[str, dict[str, str]] = {}
    """By the key of a place: what whoever shows the task there keeps of it, such as the id of its message."""


class Shown(Model):
    """What was shown."""

    notes: dict[str, dict[str, str]] = {}
    not_shown: dict[str, str] = {}
    """By the key of a place: why nothing could be shown there."""
    look_at: datetime | None = None
    """When there is something to show although nothing has changed: a reminder, or another try."""
    is_over: bool = False
    """Whether nothing will change any more that is shown anywhere."""


def conversation_workflow_id(task: str) -> str:
    """The Temporal workflow id of the conversation about a task."""
    return f"conversation/{task}"
