"""What people did in Slack, as it is put on record: only what is needed to carry it out, in one form.

Slack tells the same over HTTP and over Socket Mode, again where it got no answer, and with fields that come and go.
What is kept is the same each time, so that it is carried out once.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from workflows.models.base import Model

_MOST_SAID = 40_000
"""Slack takes no longer message."""
_Id = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,30}$")]
_Ts = Annotated[str, Field(pattern=r"^\d{1,12}\.\d{1,9}$")]
_Once = Annotated[str, Field(min_length=1, max_length=200)]
_Address = Annotated[str, Field(max_length=500)]


class NotUnderstood(ValueError):
    """This is nothing that Slack tells."""

    def __init__(self, message: str, field: str = "", advice: str = "") -> None:
        """`field`: which part of it is wrong, if it is one; `advice` tells whoever filled it in."""
        super().__init__(message)
        self.field = field
        self.advice = advice


class _Heard(Model):
    team: _Id
    user: _Id


class Commanded(_Heard):
    """`/agent WORDS`."""

    kind: Literal["command"] = "command"
    channel: _Id
    text: str = Field(default="", max_length=_MOST_SAID)
    trigger: _Once
    response_url: _Address = ""


class Mentioned(_Heard):
    """`@agent WORDS`."""

    kind: Literal["mention"] = "mention"
    channel: _Id
    text: str = Field(max_length=_MOST_SAID)
    ts: _Ts
    thread_ts: _Ts | Literal[""] = ""
    event: _Once
    bot: _Id | Literal[""] = ""
    """Whose mention it is, where Slack says so."""


class Replied(_Heard):
    """Something said in the thread of a task."""

    kind: Literal["reply"] = "reply"
    channel: _Id
    text: str = Field(max_length=_MOST_SAID)
    ts: _Ts
    thread_ts: _Ts
    event: _Once


class Pressed(_Heard):
    """A button below a message, or on the App's home, which is in no channel."""

    kind: Literal["button"] = "button"
    channel: _Id | Literal[""] = ""
    ts: _Ts | Literal[""] = ""
    thread_ts: _Ts | Literal[""] = ""
    action: str = Field(max_length=255)
    value: str = Field(max_length=2000)
    trigger: _Once
    response_url: _Address = ""


class TaskFormSent(_Heard):
    """The form for a new task, filled in."""

    kind: Literal["task-form"] = "task-form"
    view: _Once
    channel: _Id | Literal[""] = ""
    thread_ts: _Ts | Literal[""] = ""
    """Of the thread that it is about, if it was opened there."""
    repository: str = Field(max_length=4096)
    task_type: str = Field(default="", max_length=41)
    agent: str = Field(default="", max_length=100)
    base: str = Field(default="", max_length=255)
    scope: tuple[str, ...] = Field(default=(), max_length=50)
    goal: str = Field(max_length=_MOST_SAID)
    acceptance: tuple[str, ...] = Field(default=(), max_length=50)


class ChangesFormSent(_Heard):
    """What should change, in words."""

    kind: Literal["changes-form"] = "changes-form"
    view: _Once
    channel: _Id | Literal[""] = ""
    thread_ts: _Ts | Literal[""] = ""
    button: str = Field(max_length=2000)
    """Value of the button that opened the form."""
    words: str = Field(max_length=_MOST_SAID)


Heard = Commanded | Mentioned | Replied | Pressed | TaskFormSent | ChangesFormSent
_ANY: TypeAdapter[Heard] = TypeAdapter(Annotated[Heard, Field(discriminator="kind")])


def understood(kind: type[Model], **told: Any) -> Any:
    """One of them, of what Slack told. Raises NotUnderstood."""
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        most, of = first.get("ctx", {}).get("max_length"), "entries" if first["type"] == "too_long" else "characters"
        advice = f"This takes at most {most} {of}." if most else f"This can't be taken: {first['msg']}."
        field = str(first["loc"][0]) if first["loc"] else ""
        raise NotUnderstood(f"{kind.__name__}: {first['loc']} {first['msg']}", field, advice) from error


def kept(heard: Heard) -> bytes:
    """As it is put on record: canonical, so that the same is the same bytes."""
    told = heard.model_dump(mode="json")
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def read(body: bytes) -> Heard:
    """What was put on record. Raises NotUnderstood."""
    try:
        return _ANY.validate_json(body)
    except ValidationError as error:
        raise NotUnderstood("this is on record as Slack's and is nothing that Slack tells") from error
