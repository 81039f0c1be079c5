"""The messages about one task in one room of Slack: put right one by one, and posted only if they are not there."""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from activities.chat.slack.access import SlackAway, SlackRefused
from activities.chat.slack.formatting import code
from activities.chat.slack.message import Message
from activities.chat.slack.own_messages import OwnMessages, Room
from workflows.models.base import Model

MENDED = timedelta(hours=1)
"""Until another look where Slack refuses: somebody may have invited the App by then, or given it a scope."""
_WHAT_TO_DO = {
    "not_in_channel": "invite the App into the channel, by /invite and its name",
    "channel_not_found": "invite the App, if the channel is private; else it is gone, or of another workspace",
    "is_archived": "unarchive the channel to see the task there",
    "thread_not_found": "the message that the thread began with was deleted; ask for the task in another",
    "missing_scope": "give the App the scopes of infra/slack/manifest.yaml and install it again",
}
_log = logging.getLogger(__name__)
_UNSURE = "unsure"
"""Name of the note that says that a message may have been posted although Slack's answer was lost."""


class KeptMessage(Model):
    """What is kept of one message between looks."""

    ts: str = ""
    """Empty of one that was looked for and is not there."""
    digest: str = ""
    """Of what it shows; empty if that is not known."""
    facts: dict[str, str] = {}
    """What its metadata says beside its name."""


class SlackBoard:
    """What is known of them. What is not known is looked for in Slack before anything is posted."""

    def __init__(
        self, own: OwnMessages, room: Room, task: str, notes: Mapping[str, str], since: datetime | None = None
    ) -> None:
        """`since`: none of them can be older."""
        self._own = own
        self._room = room
        self._task = task
        self._since = since
        self._kept = dict(_read(notes))
        self._has_looked = False
        self._unsure = _UNSURE in notes or not self._kept

    @property
    def notes(self) -> dict[str, str]:
        """What to keep until the next look."""
        told = {name: kept.model_dump_json(exclude_defaults=True) for name, kept in self._kept.items()}
        return {**told, **({_UNSURE: "yes"} if self._unsure else {})}

    async def known(self) -> dict[str, KeptMessage]:
        """All of them, by name. Raises SlackRefused and SlackAway."""
        if self._unsure:
            await self._look()
        return {name: kept for name, kept in self._kept.items() if kept.ts}

    async def is_there(self, name: str) -> bool:
        """Whether there is one of this name, also if nothing is known of it. Raises SlackRefused and SlackAway."""
        if self._unsure or name not in self._kept:
            await self._look()
            self._kept.setdefault(name, KeptMessage())
        return bool(self._kept[name].ts)

    async def put(self, name: str, message: Message, facts: Mapping[str, str] | None = None) -> None:
        """Have one show this: nothing is sent that it shows already. Raises SlackRefused and SlackAway."""
        kept = self._kept.get(name)
        if kept is not None and kept.ts and kept.digest == message.digest:
            return
        if kept is None or not kept.ts:
            await self._look()
            kept = self._kept.get(name)
        if kept is not None and kept.ts:
            if await self._change(name, kept, message):
                return
            # Somebody deleted it, or it can't be changed; of two the newest counts, which may be another.
            self._has_looked = False
            del self._kept[name]
            await self._look()
            another = self._kept.get(name)
            if another is not None and another.ts != kept.ts and await self._change(name, another, message):
                return
        said = dict(facts or (kept.facts if kept is not None else {}))
        await self._post(name, message, said)

    async def _post(self, name: str, message: Message, facts: dict[str, str]) -> None:
        try:
            ts = await self._own.post(self._room, self._task, name, message, facts)
        except SlackAway:
            self._unsure = True
            raise
        self._kept[name] = KeptMessage(ts=ts, digest=message.digest, facts=facts)

    async def _change(self, name: str, kept: KeptMessage, message: Message) -> bool:
        if not await self._own.change(self._room, kept.ts, message):
            return False
        self._kept[name] = kept.model_copy(update={"digest": message.digest})
        return True

    async def _look(self) -> None:
        if self._has_looked:
            return
        for name, one in (await self._own.find(self._room, self._task, self._since)).items():
            if name not in self._kept or not self._kept[name].ts:
                facts = {key: value for key, value in one.facts.items() if key not in {"task", "name"}}
                self._kept[name] = KeptMessage(ts=one.ts, facts=facts)
        self._has_looked = True
        self._unsure = False


def _read(notes: Mapping[str, str]) -> Iterator[tuple[str, KeptMessage]]:
    for name, note in notes.items():
        if name == _UNSURE:
            continue
        try:
            yield name, KeptMessage.model_validate_json(note)
        except ValidationError:
            # It is looked for again.
            continue


def rendered(render: Callable[[], Message], task: str) -> Message:
    """A message; where it can't be made, where else to look: what is broken in it holds nothing else up."""
    try:
        return render()
    except Exception:
        _log.exception("what Slack should show of task %s is broken", task)
        return Message(f"This can't be shown in Slack: {code(f'journeyman show {task}')} says how the task stands.")


def told(refused: SlackRefused) -> str:
    """Why something can't be shown, and what to do."""
    return f"{refused}: {_WHAT_TO_DO.get(refused.code, 'see docs/how-to/slack.md')}"
