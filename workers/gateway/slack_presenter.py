"""Showing tasks in threads of Slack: one message that is kept up to date, its questions, and reminders."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from activities.archive.contract import TaskChains
from activities.chat.slack.access import SlackAccess, SlackAway, SlackRefused
from activities.chat.slack.blocks import task_message
from activities.chat.slack.business_hours import is_moment, next_moment
from activities.chat.slack.formatting import code
from activities.chat.slack.message import Message
from activities.chat.slack.own_messages import OwnMessages, Room
from activities.chat.slack.question_blocks import MOST_KEPT, closed_question, question_message
from activities.chat.slack.reminder_blocks import escalation_message, reminder_message
from activities.chat.slack.seen import TaskSeen
from activities.policy.owners import PolicyFileBroken
from activities.policy.slack_table import SlackTable
from activities.tracing.task_spans import RevertRecord
from workers.gateway.conversations import Look, PlaceAway
from workers.gateway.halting import Halting
from workers.gateway.messages import TaskView
from workers.gateway.slack_board import KeptMessage, SlackBoard
from workers.gateway.slack_reminders import Awaited, Reminding, reminding
from workflows.models.conversation import Place
from workflows.models.decision import Action, Decision
from workflows.models.question import Question
from workflows.models.status import POLICY, Outcome, TaskStatus

_TASK, _QUESTION, _REMINDER = "task", "question-", "reminder-"
"""Names of messages; a question's ends in its id, a reminder's in which wait it is about."""
_ESCALATED = "escalated-"
"""Names of notes that say that a channel has heard of a wait; its message there has the same name."""
_MENDED = timedelta(hours=1)
"""Until another look where Slack refuses: somebody may have invited the App by then, or given it a scope."""
_GIVES_UP = timedelta(days=1)
"""After the end of a task that can't be shown."""
_WHAT_TO_DO = {
    "not_in_channel": "invite the App into the channel, by /invite and its name",
    "channel_not_found": "invite the App, if the channel is private; else it is gone, or of another workspace",
    "is_archived": "unarchive the channel to see the task there",
    "thread_not_found": "the message that the thread began with was deleted; ask for the task in another",
    "missing_scope": "give the App the scopes of infra/slack/manifest.yaml and install it again",
}
_log = logging.getLogger(__name__)


class SlackPresenter:
    """Implements conversations.Presenter. Notes are by the name of a message; lost, it is found by its metadata."""

    def __init__(
        self,
        access: SlackAccess,
        table: Callable[[], SlackTable | None],
        chains: TaskChains,
        halting: Halting,
        awaited: Awaited,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`table`: as journeyman.toml has it now."""
        self._access = access
        self._own = OwnMessages(access)
        self._table = table
        self._chains = chains
        self._halting = halting
        self._awaited = awaited
        self._now = now

    async def show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        """See Presenter."""
        table = self._table()
        if table is None:
            raise PlaceAway("there is no [slack] in journeyman.toml")
        if len(place.parts) != 3:
            return Look(dict(notes), why_not=f"{place.key} is no thread of Slack")
        _, channel, thread = place.parts
        room = Room(channel, thread)
        escalated = {name: note for name, note in notes.items() if name.startswith(_ESCALATED)}
        kept = {name: note for name, note in notes.items() if name not in escalated}
        board = SlackBoard(self._own, room, view.status.task.id, kept)
        now = self._now()
        seen = await self._seen(view, table, now)
        try:
            await self._put_task(board, seen)
            await self._put_questions(board, seen.status)
            due = reminding(seen, table.reminders)
            looks = [await self._remind(board, room, seen, due, table, escalated, now)] if due is not None else []
        except SlackAway as away:
            raise PlaceAway(str(away), away.again_in, {**board.notes, **escalated}) from away
        except SlackRefused as refused:
            why = f"{refused}: {_WHAT_TO_DO.get(refused.code, 'see docs/how-to/slack.md')}"
            is_over = _is_over(seen) and _ended(seen, now) <= now - _GIVES_UP
            return Look({**board.notes, **escalated}, now + _MENDED, is_over=is_over, why_not=why)
        if seen.merged and seen.can_revert:
            looks.append(_ended(seen, now) + timedelta(days=table.revert_days))
        look_at = min((at for at in looks if at is not None), default=None)
        return Look({**board.notes, **escalated}, look_at, is_over=_is_over(seen))

    async def _seen(self, view: TaskView, table: SlackTable, now: datetime) -> TaskSeen:
        status = view.status
        seen = TaskSeen(
            status=status,
            reverts=view.reverts,
            reverted_by=await self._reverted_by(status.task.id) if view.reverts else "",
            watch=view.watch,
            temporal_ui=view.temporal_ui,
            halted=await self._halting.of(status),
        )
        can_revert = not view.closed and now < _ended(seen, now) + timedelta(days=table.revert_days)
        return TaskSeen(**{**vars(seen), "can_revert": can_revert})

    async def _reverted_by(self, task: str) -> str:
        entries = await self._chains.entries(task)
        reverts = [RevertRecord.model_validate(entry.data) for entry in entries if entry.kind == "revert"]
        back = next((one for one in reverts if one.result.outcome.is_back), None)
        if back is None:
            return ""
        return back.decision.decision.person.id if back.decision is not None else POLICY

    async def _put_task(self, board: SlackBoard, seen: TaskSeen) -> None:
        await board.put(_TASK, _rendered(lambda: task_message(seen), seen.status.task.id))

    async def _put_questions(self, board: SlackBoard, status: TaskStatus) -> None:
        """The one that is asked; those that are not any more say how they were answered."""
        task, question = status.task.id, status.question
        answers = {one.decision.question: one.decision for one in status.decisions if _answers(one.decision)}
        for asked in answers:
            # One may be there of which nothing was kept.
            await board.is_there(f"{_QUESTION}{asked}")
        for name, kept in (await board.known()).items():
            asked = name.removeprefix(_QUESTION)
            if name.startswith(_QUESTION) and (question is None or asked != question.id):
                await board.put(name, _closed(task, kept, answers.get(asked)))
        if question is not None:
            facts = {"kind": str(question.kind), "words": question.text[:MOST_KEPT]}
            await board.put(f"{_QUESTION}{question.id}", _asked(task, question), facts)

    async def _remind(
        self,
        board: SlackBoard,
        room: Room,
        seen: TaskSeen,
        due: Reminding,
        table: SlackTable,
        escalated: dict[str, str],
        now: datetime,
    ) -> datetime | None:
        """Do what is due and was not done; returns when there is more to do."""
        assert table.reminders is not None, "something is due by it"
        coming: list[datetime] = []
        reminder, escalation = f"{_REMINDER}{due.wait}", f"{_ESCALATED}{due.wait}"
        may_now = is_moment(now, table.reminders)
        if due.remind_at > now or not may_now:
            if reminder not in await board.known():
                coming.append(next_moment(max(due.remind_at, now), table.reminders))
        elif not await board.is_there(reminder):
            users = await self._users(seen.status)
            await board.put(reminder, _rendered(lambda: reminder_message(seen, users), seen.status.task.id))
        if due.escalate_at is not None and escalation not in escalated:
            if due.escalate_at > now or not may_now:
                coming.append(next_moment(max(due.escalate_at, now), table.reminders))
            else:
                await self._escalate(board, room, seen, due.channel, escalation)
                escalated[escalation] = due.channel
        return min(coming, default=None)

    async def _escalate(self, board: SlackBoard, room: Room, seen: TaskSeen, channel: str, name: str) -> None:
        """A channel that can't be written to keeps nothing else from being shown."""
        task, there = seen.status.task.id, Room(channel)
        try:
            found = await self._own.find(there, task, since=seen.since)
            if name not in found:
                thread = await self._address(room, (await board.known())[_TASK])
                message = _rendered(lambda: escalation_message(seen, thread), task)
                await self._own.post(there, task, name, message, {})
        except SlackRefused as refused:
            _log.error("channel %s does not hear that task %s waits: %s", channel, task, refused)

    async def _users(self, status: TaskStatus) -> list[str]:
        try:
            return await self._awaited.of(status)
        except PolicyFileBroken as broken:
            _log.warning("nobody is named in a reminder about task %s: %s", status.task.id, broken)
            return []

    async def _address(self, room: Room, kept: KeptMessage) -> str:
        try:
            found = await self._access.call("chat.getPermalink", channel=room.channel, message_ts=kept.ts)
        except SlackRefused:
            return ""
        return str(found.get("permalink", ""))


def _asked(task: str, question: Question) -> Message:
    return _rendered(lambda: question_message(task, question), task)


def _closed(task: str, kept: KeptMessage, answer: Decision | None) -> Message:
    kind, words = kept.facts.get("kind", ""), kept.facts.get("words", "")
    return _rendered(lambda: closed_question(task, kind, words, answer), task)


def _answers(decision: Decision) -> bool:
    return decision.action is Action.ANSWER and bool(decision.question)


def _rendered(render: Callable[[], Message], task: str) -> Message:
    """A message; where it can't be made, where else to look: what is broken in it holds nothing else up."""
    try:
        return render()
    except Exception:
        _log.exception("what Slack should show of task %s is broken", task)
        return Message(f"This can't be shown in Slack: {code(f'journeyman show {task}')} says how the task stands.")


def _ended(seen: TaskSeen, now: datetime) -> datetime:
    return seen.since if seen.since is not None and seen.status.outcome is not None else now


def _is_over(seen: TaskSeen) -> bool:
    """Whether nothing that is shown can change any more."""
    if seen.status.outcome is Outcome.MERGED:
        return not seen.merged or not seen.can_revert
    return seen.status.outcome is not None
