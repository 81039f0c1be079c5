"""Whom a task in Slack waits for, and when they are reminded of it: once at each stage, then once their team."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from activities.chat.slack.access import SlackAccess, SlackRefused
from activities.chat.slack.business_hours import is_moment, next_moment
from activities.chat.slack.own_messages import OwnMessages, Room
from activities.chat.slack.reminder_blocks import escalation_message, reminder_message
from activities.chat.slack.seen import TaskSeen
from activities.decisions.attested import Attested
from activities.policy.documents import PlatformPolicy, SecurityPolicy
from activities.policy.owners import OwnersFiles, PolicyFileBroken
from activities.policy.reminder_table import ReminderTable
from workers.gateway.slack_board import MENDED, SlackBoard, rendered, told
from workflows.models.status import WAITS_FOR, Stage, TaskStatus

_REMINDER, _ESCALATION = "reminder-", "escalation-"
"""Names of messages; which wait they are about comes after."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Thread:
    """Where a task is shown."""

    board: SlackBoard
    room: Room
    message: str
    """Name of the task's own."""


@dataclass(frozen=True)
class Due:
    """When somebody hears that a task waits."""

    wait: str
    """Which wait of its task this is: no two have the same name."""
    remind_at: datetime
    escalate_at: datetime | None
    """None where no channel is to hear of it."""
    channel: str = ""


@dataclass(frozen=True)
class Reminded:
    """What came of looking for what is due."""

    look_at: datetime | None = None
    """When there is more to do."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What to keep of channels that heard of it."""
    why_not: str = ""
    """Why a channel can't hear of it."""


def due(seen: TaskSeen, table: ReminderTable) -> Due | None:
    """What is due while a task waits as it does now; None if it waits for nobody."""
    status, since = seen.status, seen.since
    if since is None or status.stage not in WAITS_FOR or seen.halted:
        return None
    channel = table.escalation_channels.get(status.team or status.task.repository.name) or table.escalation_channel
    return Due(
        wait=str(int(since.timestamp())),
        remind_at=next_moment(since + timedelta(hours=table.remind_hours), table),
        escalate_at=next_moment(since + timedelta(hours=table.escalate_hours), table) if channel else None,
        channel=channel or "",
    )


def awaited(
    status: TaskStatus, reviewers: tuple[str, ...], platform: PlatformPolicy, security: SecurityPolicy
) -> list[str]:
    """Ids in Slack of those who may decide what a task waits for. `reviewers`: of its repository; empty is anybody."""
    requester = status.task.requester.id
    named = [one for one in platform.people if not reviewers or one in reviewers]
    if status.stage is Stage.QUESTION:
        # Who asked can answer; of others only those whose matter it is.
        persons = [requester, *(one for one in named if reviewers and one != requester)]
    else:
        may = [one for one in named if security.approve is None or one in security.approve]
        asks_itself = platform.allow_self_approval and security.allow_self_approval is not False
        persons = [one for one in may if one != requester or asks_itself]
        if status.stage is Stage.REVIEW:
            persons = [one for one in persons if one not in status.approved_by]
    entries = (platform.people.get(one) for one in persons)
    return [entry.slack for entry in entries if entry is not None and entry.slack]


class Awaited:
    """Looks up who they are, by what the files and the evidence say now."""

    def __init__(self, owners: OwnersFiles, attested: Attested) -> None:
        self._owners = owners
        self._attested = attested

    async def of(self, status: TaskStatus) -> list[str]:
        """Ids in Slack; nobody where a file is broken, which its owner learns elsewhere."""
        evidence = await self._attested.evidence(status.task.id)
        reviewers = evidence[-1].policy.reviewers if evidence else ()
        try:
            return awaited(status, reviewers, self._owners.platform(), self._owners.security())
        except PolicyFileBroken as broken:
            _log.warning("nobody is named in a reminder about task %s: %s", status.task.id, broken)
            return []


class SlackReminders:
    """Writes reminders, and escalations to channels."""

    def __init__(self, access: SlackAccess, awaited: Awaited) -> None:
        self._access = access
        self._own = OwnMessages(access)
        self._awaited = awaited

    async def remind(
        self, seen: TaskSeen, table: ReminderTable | None, thread: Thread, notes: Mapping[str, str], now: datetime
    ) -> Reminded:
        """Write what is due and is not there yet. `notes`: of channels, as they were kept.

        Raises SlackRefused and SlackAway.
        """
        found = due(seen, table) if table is not None else None
        if table is None or found is None:
            return Reminded(notes=notes)
        may, coming = is_moment(now, table), list[datetime]()
        if may and found.remind_at <= now:
            await self._remind(seen, thread, f"{_REMINDER}{found.wait}")
        else:
            coming.append(next_moment(max(found.remind_at, now), table))
        name = f"{_ESCALATION}{found.wait}"
        if found.escalate_at is None or name in notes:
            return Reminded(min(coming, default=None), notes)
        if not may or found.escalate_at > now:
            return Reminded(min([*coming, next_moment(max(found.escalate_at, now), table)]), notes)
        try:
            note = await self._escalate(seen, name, thread, found.channel)
        except SlackRefused as refused:
            # It keeps nothing else from being shown.
            return Reminded(now + MENDED, notes, f"channel {found.channel} can't hear of it: {told(refused)}")
        return Reminded(min(coming, default=None), {**notes, name: note})

    async def _remind(self, seen: TaskSeen, thread: Thread, name: str) -> None:
        if await thread.board.is_there(name):
            return
        users = await self._awaited.of(seen.status)
        await thread.board.put(name, rendered(lambda: reminder_message(seen, users), seen.status.task.id))

    async def _escalate(self, seen: TaskSeen, name: str, thread: Thread, channel: str) -> str:
        """Write it into the channel, unless it is there; returns the note."""
        task = seen.status.task.id
        board = SlackBoard(self._own, Room(channel), task, {}, seen.since)
        if not await board.is_there(name):
            address = await self._address(thread)
            await board.put(name, rendered(lambda: escalation_message(seen, address), task))
        return board.notes[name]

    async def _address(self, thread: Thread) -> str:
        """Of the task's message; empty if it has none."""
        kept = (await thread.board.known()).get(thread.message)
        if kept is None:
            return ""
        try:
            found = await self._access.call("chat.getPermalink", channel=thread.room.channel, message_ts=kept.ts)
        except SlackRefused:
            return ""
        return str(found.get("permalink", ""))
