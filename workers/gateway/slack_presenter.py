"""Showing tasks in threads of Slack: one message that is kept up to date, its questions, and reminders."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from activities.archive.contract import TaskChains
from activities.chat.slack.access import SlackAccess, SlackAway, SlackRefused
from activities.chat.slack.blocks import task_message
from activities.chat.slack.message import Message
from activities.chat.slack.own_messages import OwnMessages, Room
from activities.chat.slack.question_blocks import MOST_KEPT, closed_question, question_message
from activities.chat.slack.seen import TaskSeen
from activities.policy.owners import PolicyFileBroken
from activities.policy.slack_table import SlackTable
from activities.tracing.task_spans import RevertRecord
from workers.gateway.conversations import Look, PlaceAway
from workers.gateway.halting import Halting
from workers.gateway.messages import TaskView
from workers.gateway.slack_board import MENDED, KeptMessage, SlackBoard, rendered, told
from workers.gateway.slack_calls import SlackCalls
from workers.gateway.slack_reminders import SlackReminders, Thread
from workflows.models.conversation import Place
from workflows.models.decision import Action, Decision
from workflows.models.question import Question
from workflows.models.status import POLICY, Outcome, TaskStatus

SYSTEM = "slack"
"""With which keys of its places begin."""
_TASK, _QUESTION = "task", "question-"
"""Names of messages; a question's ends in its id."""
_CHANNEL = "channel:"
"""Begins the names of notes about other channels."""
_HALTED = timedelta(minutes=5)
"""Until another look at a task whose work stands still: nobody tells that it goes on."""
_GIVES_UP = timedelta(days=1)
"""After the end of a task that can't be shown."""
_log = logging.getLogger(__name__)


class SlackPresenter:
    """Implements conversations.Presenter. Notes are by the name of a message; lost, it is found by its metadata."""

    def __init__(
        self,
        access: SlackAccess,
        table: Callable[[], SlackTable | None],
        chains: TaskChains,
        halting: Halting,
        calls: SlackCalls,
        reminders: SlackReminders,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`table`: as journeyman.toml has it now."""
        self._own = OwnMessages(access)
        self._table = table
        self._chains = chains
        self._halting = halting
        self._calls = calls
        self._reminders = reminders
        self._now = now

    async def show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        """See Presenter. What is broken here holds up no other place."""
        try:
            return await self._show(place, notes, view)
        except PlaceAway:
            raise
        except PolicyFileBroken as broken:
            raise PlaceAway(str(broken)) from broken
        except Exception as error:
            _log.exception("task %s can't be shown at %s", view.status.task.id, place.key)
            raise PlaceAway(f"showing it fails ({type(error).__name__}); the gateway's log says where") from error

    async def _show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        table = self._table()
        if table is None:
            raise PlaceAway("there is no [slack] in journeyman.toml")
        if len(place.parts) != 3:
            return Look(dict(notes), why_not=f"{place.key} is no thread of Slack")
        _, channel, thread = place.parts
        room, now = Room(channel, thread), self._now()
        seen = await self._seen(view, table, now)
        channels = {name.removeprefix(_CHANNEL): note for name, note in notes.items() if name.startswith(_CHANNEL)}
        own = {name: note for name, note in notes.items() if not name.startswith(_CHANNEL)}
        board = SlackBoard(self._own, room, view.status.task.id, own)
        try:
            await board.put(_TASK, rendered(lambda: task_message(seen), view.status.task.id))
            await self._put_questions(board, seen.status)
            if table.notify:
                await self._calls.call(seen, board)
            there = Thread(board, room, _TASK)
            reminded = await self._reminders.remind(seen, table.reminders, there, channels, now)
        except SlackAway as away:
            raise PlaceAway(str(away), away.again_in, _notes(board, channels)) from away
        except SlackRefused as refused:
            is_over = _is_over(seen) and _ended(seen, now) <= now - _GIVES_UP
            return Look(_notes(board, channels), now + MENDED, is_over=is_over, why_not=told(refused))
        halted = now + _HALTED if seen.halted else None
        until = _ended(seen, now) + timedelta(days=table.revert_days) if seen.merged and seen.can_revert else None
        look_at = min((at for at in (reminded.look_at, until, halted) if at is not None), default=None)
        kept = _notes(board, reminded.notes)
        return Look(kept, look_at, is_over=_is_over(seen), why_not=reminded.why_not)

    async def _seen(self, view: TaskView, table: SlackTable, now: datetime) -> TaskSeen:
        status = view.status
        seen = TaskSeen(
            status=status,
            reverts=view.reverts,
            reverted_by=await self._reverted_by(status.task.id) if view.reverts else "",
            watch=view.watch,
            temporal_ui=view.temporal_ui,
            trace_ui=view.trace_ui,
            halted=await self._halting.of(status),
        )
        can_revert = now < _ended(seen, now) + timedelta(days=table.revert_days)
        return TaskSeen(**{**vars(seen), "can_revert": can_revert})

    async def _reverted_by(self, task: str) -> str:
        entries = await self._chains.entries(task)
        reverts = [RevertRecord.model_validate(entry.data) for entry in entries if entry.kind == "revert"]
        back = next((one for one in reverts if one.result.outcome.is_back), None)
        if back is None:
            return ""
        return back.decision.decision.person.id if back.decision is not None else POLICY

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


def _notes(board: SlackBoard, channels: Mapping[str, str]) -> dict[str, str]:
    return {**board.notes, **{f"{_CHANNEL}{name}": note for name, note in channels.items()}}


def _asked(task: str, question: Question) -> Message:
    return rendered(lambda: question_message(task, question), task)


def _closed(task: str, kept: KeptMessage, answer: Decision | None) -> Message:
    kind, words = kept.facts.get("kind", ""), kept.facts.get("words", "")
    return rendered(lambda: closed_question(task, kind, words, answer), task)


def _answers(decision: Decision) -> bool:
    return decision.action is Action.ANSWER and bool(decision.question)


def _ended(seen: TaskSeen, now: datetime) -> datetime:
    return seen.since if seen.since is not None and seen.status.outcome is not None else now


def _is_over(seen: TaskSeen) -> bool:
    """Whether nothing that is shown can change any more."""
    if seen.status.outcome is Outcome.MERGED:
        return not seen.merged or not seen.can_revert
    return seen.status.outcome is not None
