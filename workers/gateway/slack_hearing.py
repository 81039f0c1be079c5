"""What is heard in Slack, over HTTP or Socket Mode: one slack_bolt app, which keeps it on record and acknowledges it.

Nothing here waits for Temporal, for Slack or for a forge: a command is acknowledged once it is on record. Forms are
opened after the acknowledgement, since what opens them counts for three seconds only.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from obstore.exceptions import BaseError
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.response import BoltResponse

from activities.archive.contract import IntentIndex
from activities.chat.slack.button import ANSWER, APPROVE, APPROVE_MERGE, REJECT, REQUEST_CHANGES, REVERT
from activities.chat.slack.forms import (
    CHANGES,
    FILLED_IN,
    NEW_TASK,
    REPOSITORY,
    TASK_TYPE,
    changes_form_sent,
    task_form_sent,
)
from activities.chat.slack.heard import Commanded, Heard, Mentioned, NotUnderstood, Pressed, Replied, understood
from activities.chat.slack.words import HELP, Verb, as_plain, words
from workers.gateway.slack_forms import SlackForms
from workers.gateway.slack_record import SlackRecord

COMMAND, SHORTCUT = "/agent", "hand_to_agent"
"""As infra/slack/manifest.yaml has them."""
_KEPT = (APPROVE, APPROVE_MERGE, REJECT, REVERT)
_SAID = (None, "", "thread_broadcast", "file_share")
"""Kinds of messages that are somebody's words: also what a reply tells the whole channel, and beside a file."""
_NOT_KEPT = "This could not be put on record, so nothing of it is done: try again in a minute."
_log = logging.getLogger(__name__)
Body = dict[str, Any]


class SlackHearing:
    """Tells bolt what to do with each thing that is heard."""

    def __init__(
        self,
        record: SlackRecord,
        intents: IntentIndex,
        forms: SlackForms,
        home: Callable[[str], Awaitable[None]] | None = None,
        halt: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`home` is told whose App home was opened; `halt` the digest of a halt on record, to carry it out at once."""
        self._record = record
        self._intents = intents
        self._forms = forms
        self._home = home
        self._halt = halt

    def app(self) -> AsyncApp:
        """The application; whoever dispatches to it has made sure that it is Slack who tells."""
        app = AsyncApp(
            name="journeyman",
            logger=logging.getLogger("slack_bolt"),
            authorize=_authorized,
            # Looked at before, against every secret that counts; Socket Mode has none.
            request_verification_enabled=False,
            # By what is written in each event; it needs no call to Slack.
            ignoring_self_events_enabled=False,
            # Or events were acknowledged before they are on record.
            process_before_response=True,
        )
        app.command(COMMAND)(self._command)
        app.shortcut(SHORTCUT)(self._shortcut)
        app.event("app_mention")(self._mention)
        app.event("message")(self._message)
        app.event("app_home_opened")(self._home_opened)
        app.options(REPOSITORY)(self._search)
        app.view(NEW_TASK)(self._task_form)
        app.view(CHANGES)(self._changes_form)
        app.action(re.compile(f"^({REPOSITORY}|{TASK_TYPE})$"))(self._chosen)
        app.action(REQUEST_CHANGES)(self._request_changes)
        app.action(re.compile(f"^({'|'.join(_KEPT)}|{ANSWER}.*)$"))(self._pressed)
        # Such as buttons that are links, and events that somebody subscribed to.
        app.action(re.compile(".*"))(_acknowledge)
        app.event(re.compile(".*"))(_acknowledge)
        app.error(_failed)
        return app

    async def _command(self, ack: AsyncAck, body: Body) -> None:
        meant = words(as_plain(str(body.get("text") or "")))
        if meant.verb is Verb.HELP:
            await ack(text=HELP)
            return
        heard = understood(
            Commanded,
            team=body.get("team_id"),
            user=body.get("user_id"),
            channel=body.get("channel_id"),
            text=str(body.get("text") or ""),
            trigger=body.get("trigger_id"),
            response_url=str(body.get("response_url") or ""),
        )
        if meant.verb is Verb.FORM:
            await ack()
            self._forms.open_new(heard.trigger, heard.user, heard.channel, response_url=heard.response_url)
            return
        try:
            if meant.verb is Verb.HALT and self._halt is not None:
                _, digest = await self._record.put(heard)
                self._forms.later(self._halt(digest))
            else:
                await self._record.keep(heard)
        except (BaseError, OSError) as error:
            _log.error("a command of Slack's could not be put on record: %s", error)
            await ack(text=_NOT_KEPT)
            return
        await ack()

    async def _shortcut(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        message = _part(body, "message")
        self._forms.open_new(
            str(body.get("trigger_id") or ""),
            _id(body, "user"),
            _id(body, "channel"),
            thread_ts=str(message.get("thread_ts") or message.get("ts") or ""),
            goal=as_plain(str(message.get("text") or "")),
            response_url=str(body.get("response_url") or ""),
        )

    async def _mention(self, ack: AsyncAck, body: Body) -> None:
        event = _part(body, "event")
        if _is_somebody_s(event):
            await self._keep(
                understood(
                    Mentioned, **_said(body, event), thread_ts=str(event.get("thread_ts") or ""), bot=_bot_of(body)
                )
            )
        await ack()

    async def _message(self, ack: AsyncAck, body: Body) -> None:
        """In a channel only what is said in a thread of a task counts; all else there is none of ours, and not kept."""
        event = _part(body, "event")
        thread, bot = str(event.get("thread_ts") or ""), _bot_of(body)
        if not _is_somebody_s(event):
            pass
        elif event.get("channel_type") == "im":
            # Nobody else is meant there, and no mention comes as one (docs.slack.dev, app_mention).
            await self._keep(understood(Mentioned, **_said(body, event), thread_ts=thread, bot=bot))
        elif thread and thread != event.get("ts") and not (bot and f"<@{bot}" in str(event.get("text") or "")):
            # What mentions the App comes as a mention, too.
            heard = understood(Replied, **_said(body, event), thread_ts=thread)
            if await self._intents.find(f"slack:{heard.team}:{heard.channel}:{heard.thread_ts}") is not None:
                await self._keep(heard)
        await ack()

    async def _home_opened(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        event = _part(body, "event")
        if self._home is not None and event.get("tab") == "home":
            self._forms.later(self._home(str(event.get("user") or "")))

    async def _search(self, ack: AsyncAck, body: Body) -> None:
        await ack(options=await self._forms.search(_id(body, "user"), str(body.get("value") or "")))

    async def _chosen(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        self._forms.show_phase(_id(body, "user"), _part(body, "view"))

    async def _task_form(self, ack: AsyncAck, body: Body) -> None:
        try:
            heard = task_form_sent(_team_of(body), _id(body, "user"), _part(body, "view"))
        except NotUnderstood as error:
            if error.field not in FILLED_IN:
                raise
            # It stays open: else all that somebody wrote would be gone.
            await ack(response_action="errors", errors={error.field: error.advice})
            return
        errors = {}
        if not heard.goal.strip():
            errors["goal"] = "Say what should be different afterwards."
        if not heard.repository:
            errors[REPOSITORY] = "Choose a repository."
        if errors:
            await ack(response_action="errors", errors=errors)
            return
        await self._form(heard, ack, "goal")

    async def _changes_form(self, ack: AsyncAck, body: Body) -> None:
        heard = changes_form_sent(_team_of(body), _id(body, "user"), _part(body, "view"))
        if not heard.words.strip():
            await ack(response_action="errors", errors={"words": "Say what should change."})
            return
        await self._form(heard, ack, "words")

    async def _form(self, heard: Heard, ack: AsyncAck, block: str) -> None:
        try:
            await self._record.keep(heard)
        except (BaseError, OSError) as error:
            _log.error("a form of Slack's could not be put on record: %s", error)
            await ack(response_action="errors", errors={block: _NOT_KEPT})
            return
        await ack()

    async def _request_changes(self, ack: AsyncAck, body: Body) -> None:
        heard = _button(body)
        await ack()
        self._forms.open_changes(heard)

    async def _pressed(self, ack: AsyncAck, body: Body) -> None:
        heard = _button(body)
        await self._keep(heard)
        await ack()

    async def _keep(self, heard: Heard) -> None:
        if not await self._record.keep(heard):
            _log.info("%s of Slack's was heard before", heard.kind)


async def _authorized(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
    """Bolt itself asks Slack for nothing: what is done is done by whoever carries it out, as who it then is."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


async def _acknowledge(ack: AsyncAck) -> None:
    await ack()


async def _failed(error: Exception) -> BoltResponse:
    """What makes no sense is not told again; what could not be kept is: Slack tries three times within an hour."""
    if isinstance(error, NotUnderstood):
        _log.warning("Slack told what is not understood: %s", error)
        return BoltResponse(status=200, body="")
    _log.error("what Slack told could not be taken in: %s: %s", type(error).__name__, error)
    return BoltResponse(status=503, body="")


def _button(body: Body) -> Pressed:
    actions = body.get("actions")
    action = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
    container, message = _part(body, "container"), body.get("message")
    thread = message.get("thread_ts") if isinstance(message, dict) else container.get("thread_ts")
    return understood(  # type: ignore[no-any-return]
        Pressed,
        team=_team_of(body),
        user=_id(body, "user"),
        channel=str(container.get("channel_id") or _id(body, "channel")),
        ts=str(container.get("message_ts") or ""),
        thread_ts=str(thread or ""),
        action=action.get("action_id"),
        value=str(action.get("value") or ""),
        trigger=body.get("trigger_id"),
        response_url=str(body.get("response_url") or ""),
    )


def _said(body: Body, event: Body) -> Body:
    return {
        "team": body.get("team_id"),
        "user": event.get("user"),
        "channel": event.get("channel"),
        "text": str(event.get("text") or ""),
        "ts": event.get("ts"),
        "event": body.get("event_id"),
    }


def _is_somebody_s(event: Body) -> bool:
    """Whether a person said it just now: no bot, which may be we ourselves, and no edit."""
    is_new = event.get("subtype") in _SAID and not event.get("edited")
    return is_new and not event.get("bot_id") and bool(event.get("user"))


def _bot_of(body: Body) -> str:
    """The user as which the App is told of an event."""
    whose = body.get("authorizations")
    first = whose[0] if isinstance(whose, list) and whose and isinstance(whose[0], dict) else {}
    return str(first.get("user_id") or "") if first.get("is_bot") else ""


def _team_of(body: Body) -> str:
    team = body.get("team")
    return str((team.get("id") if isinstance(team, dict) else None) or _part(body, "user").get("team_id") or "")


def _id(body: Body, name: str) -> str:
    return str(_part(body, name).get("id") or "")


def _part(body: Body, name: str) -> Body:
    found = body.get(name)
    return found if isinstance(found, dict) else {}
