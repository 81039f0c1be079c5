"""What a button says of what it is about: the task, and exactly what was shown beside the button.

An old message stays where it is. So its buttons name the head and the evidence that they were shown with, and can
decide about no other. Nothing in here is believed without looking: it says what was meant, not who may.
"""

from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from workflows.models.base import Model
from workflows.models.question import Choice

APPROVE = "approve"
APPROVE_MERGE = "approve_merge"
"""Approve, and merge once that is enough."""
REQUEST_CHANGES = "request_changes"
"""Opens a modal that asks for the words."""
REJECT = "reject"
REVERT = "revert"
ACTIONS = (APPROVE, APPROVE_MERGE, REQUEST_CHANGES, REJECT, REVERT)
"""Action ids of buttons that decide."""
ANSWER = "answer:"
"""Action ids of buttons that answer a question begin so; what follows is the choice."""
MOST_CHARS = 2000
"""Slack takes no longer value."""

_Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40,64})?$")]


class ButtonBroken(ValueError):
    """This is no value of a button of ours."""


class Button(Model):
    """The value of one button."""

    task: str = Field(pattern=r"^[a-z0-9]{1,64}$")
    head: _Hex = ""
    """Which was shown beside it; of a revert none is needed."""
    evidence: _Hex = ""
    """Hash of the evidence that was shown beside it."""
    question: str = Field(default="", max_length=20)
    """Id of the question that it answers."""

    def dump(self) -> str:
        """As Slack carries it: compact JSON without what is empty."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def parse(cls, value: str) -> "Button":
        """Raises ButtonBroken."""
        if len(value) > MOST_CHARS:
            raise ButtonBroken(f"a button says more than {MOST_CHARS} characters")
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise ButtonBroken("this button is none of Journeyman's: have the task shown anew") from error


def answer_id(choice: Choice) -> str:
    """The action id of a button that answers a question so."""
    return f"{ANSWER}{choice.value}"


def answered(action_id: str) -> Choice | None:
    """What a button with this action id answers; None if it answers nothing."""
    if not action_id.startswith(ANSWER):
        return None
    try:
        return Choice(action_id.removeprefix(ANSWER))
    except ValueError:
        return None
