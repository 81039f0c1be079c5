"""The forms that people fill in: a new task, and what should change. Blocks are slack_sdk's own models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError
from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    ExternalDataSelectElement,
    InputBlock,
    MarkdownTextObject,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    StaticSelectElement,
)
from slack_sdk.models.views import View

from activities.chat.slack.button import Button
from activities.chat.slack.heard import ChangesFormSent, NotUnderstood, TaskFormSent, understood
from activities.chat.slack.repositories import short
from workflows.models.base import Model

NEW_TASK, CHANGES = "new_task", "changes"
"""Callback ids of the forms."""
REPOSITORY, TASK_TYPE = "repository", "task_type"
FILLED_IN = (REPOSITORY, TASK_TYPE, "goal", "acceptance", "agent", "base", "scope")
"""Blocks of the form for a new task, each with the name of what is heard of it."""
_MOST_TYPED = 3000
_MOST_OPTIONS = 100
_DEFAULT_AGENT = "-"
"""Slack takes no empty value."""


class Where(Model):
    """Where a form was opened: it travels with the form."""

    channel: str = ""
    thread_ts: str = ""
    button: str = Field(default="", max_length=2000)


@dataclass(frozen=True)
class TaskForm:
    """What the form for a new task begins with, and what it says."""

    where: Where
    task_types: Sequence[str]
    agents: Sequence[str]
    repository: str = ""
    goal: str = ""
    phase: str = "Choose a repository to see what policy may do there without a person."
    """What applies there, for people."""

    def view(self) -> View:
        """As views.open takes it."""
        agents = [_option("The platform's default", _DEFAULT_AGENT), *(_option(one, one) for one in self.agents)]
        chosen = _option(short(self.repository), self.repository) if self.repository else None
        search = ExternalDataSelectElement(
            action_id=REPOSITORY, placeholder="Type to search", min_query_length=0, initial_option=chosen
        )
        types = [_option(one, one) for one in self.task_types]
        usual = next((one for one in types if one.value == "bug-fix"), None)
        pick = StaticSelectElement(action_id=TASK_TYPE, options=types[:_MOST_OPTIONS], initial_option=usual)
        agent = StaticSelectElement(action_id="agent", options=agents[:_MOST_OPTIONS], initial_option=agents[0])
        blocks: list[Block] = [
            InputBlock(block_id=REPOSITORY, label="Repository", element=search, dispatch_action=True),
            InputBlock(block_id=TASK_TYPE, label="Kind of work", element=pick, dispatch_action=True),
            ContextBlock(block_id="phase", elements=[MarkdownTextObject(text=self.phase[:_MOST_TYPED])]),
            InputBlock(
                block_id="goal",
                label="Goal",
                hint="What should be different afterwards, in plain words.",
                element=_typed("goal", is_long=True, begins=self.goal),
            ),
            _optional("acceptance", "Acceptance criteria", "One a line.", is_long=True),
            InputBlock(block_id="agent", label="Agent", element=agent, optional=True),
            _optional("base", "Base branch", "Left empty, the repository's own."),
            _optional("scope", "Scope", "Patterns of paths that it may touch, with spaces between."),
        ]
        return _modal(NEW_TASK, "Hand to an agent", "Begin", blocks, self.where)


def changes_view(where: Where) -> View:
    """The form that asks what should change."""
    words = InputBlock(block_id="words", label="What should change?", element=_typed("words", is_long=True))
    return _modal(CHANGES, "Request changes", "Send back", [words], where)


def task_form_sent(team: str, user: str, view: Mapping[str, Any]) -> TaskFormSent:
    """What was filled in. Raises NotUnderstood."""
    where, values = _where(view), _Values(view)
    agent = values.chosen("agent")
    return understood(  # type: ignore[no-any-return]
        TaskFormSent,
        team=team,
        user=user,
        view=str(view.get("id", "")),
        channel=where.channel,
        thread_ts=where.thread_ts,
        repository=values.chosen(REPOSITORY),
        task_type=values.chosen(TASK_TYPE),
        agent="" if agent == _DEFAULT_AGENT else agent,
        base=values.typed("base").strip(),
        scope=tuple(values.typed("scope").split()),
        goal=values.typed("goal"),
        acceptance=tuple(line.strip() for line in values.typed("acceptance").splitlines() if line.strip()),
    )


def changes_form_sent(team: str, user: str, view: Mapping[str, Any]) -> ChangesFormSent:
    """What should change. Raises NotUnderstood."""
    where = _where(view)
    return understood(  # type: ignore[no-any-return]
        ChangesFormSent,
        team=team,
        user=user,
        view=str(view.get("id", "")),
        channel=where.channel,
        thread_ts=where.thread_ts,
        button=where.button,
        words=_Values(view).typed("words"),
    )


def chosen_now(view: Mapping[str, Any]) -> tuple[Where, str, str, str]:
    """Of a form that is being filled in: where, repository, kind of work, goal. Raises NotUnderstood."""
    values = _Values(view)
    return _where(view), values.chosen(REPOSITORY), values.chosen(TASK_TYPE), values.typed("goal")


def options(repositories: Sequence[str]) -> list[dict[str, Any]]:
    """What can be chosen, as Slack takes it. A name that is too long for Slack is left out."""
    fit = (one for one in repositories if len(one) <= 150)
    return [_option(short(one), one).to_dict() for one in list(fit)[:_MOST_OPTIONS]]


def where_of(button: str, channel: str, thread_ts: str) -> Where:
    """Of the form about the task of a button. Raises ButtonBroken."""
    return Where(channel=channel, thread_ts=thread_ts, button=Button.parse(button).dump())


class _Values:
    """What is filled in, by block; each has one element."""

    def __init__(self, view: Mapping[str, Any]) -> None:
        values = (view.get("state") or {}).get("values") if isinstance(view.get("state"), dict) else None
        if not isinstance(values, dict):
            raise NotUnderstood("a form without values")
        self._values = values

    def typed(self, block: str) -> str:
        return str(self._of(block).get("value") or "")

    def chosen(self, block: str) -> str:
        option = self._of(block).get("selected_option")
        return str(option.get("value") or "") if isinstance(option, dict) else ""

    def _of(self, block: str) -> Mapping[str, Any]:
        elements = self._values.get(block)
        found = next(iter(elements.values()), None) if isinstance(elements, dict) else None
        return found if isinstance(found, dict) else {}


def _where(view: Mapping[str, Any]) -> Where:
    try:
        return Where.model_validate_json(str(view.get("private_metadata") or "{}"))
    except ValidationError as error:
        raise NotUnderstood("a form that was opened somewhere else") from error


def _modal(callback: str, title: str, submit: str, blocks: Sequence[Block], where: Where) -> View:
    return View(
        type="modal",
        callback_id=callback,
        title=PlainTextObject(text=title),
        submit=PlainTextObject(text=submit),
        close=PlainTextObject(text="Leave it"),
        blocks=blocks,
        private_metadata=where.model_dump_json(exclude_defaults=True),
    )


def _optional(block: str, label: str, hint: str, *, is_long: bool = False) -> InputBlock:
    return InputBlock(block_id=block, label=label, hint=hint, optional=True, element=_typed(block, is_long=is_long))


def _typed(action: str, *, is_long: bool = False, begins: str = "") -> PlainTextInputElement:
    begun = begins[:_MOST_TYPED] or None
    return PlainTextInputElement(action_id=action, multiline=is_long, initial_value=begun, max_length=_MOST_TYPED)


def _option(text: str, value: str) -> Option:
    return Option(text=PlainTextObject(text=text[:75]), value=value)
