"""Telling people in Slack what has just become so of a task: once for each wait, at its end, and if base turns red."""

from activities.chat.slack.reminder_blocks import call_message
from activities.chat.slack.seen import TaskSeen
from activities.policy.owners import OwnersFiles, PolicyFileBroken
from workers.gateway.slack_board import SlackBoard, rendered
from workers.gateway.slack_reminders import Awaited
from workflows.models.decision import Action
from workflows.models.status import POLICY, Outcome, Stage, TaskStatus

_CALL = "call-"
"""Name of such a message; what it is about comes after."""


class SlackCalls:
    """A message that is written again notifies nobody: these are written once, and name whom it concerns."""

    def __init__(self, owners: OwnersFiles, awaited: Awaited) -> None:
        self._owners = owners
        self._awaited = awaited

    async def call(self, seen: TaskSeen, board: SlackBoard) -> None:
        """Write what is to be told now and is not there yet. Raises SlackRefused and SlackAway."""
        about = _about(seen)
        if not about or await board.is_there(f"{_CALL}{about}"):
            return
        waits = seen.status.outcome is None
        users = await self._awaited.of(seen.status) if waits else self._concerned(seen.status)
        await board.put(f"{_CALL}{about}", rendered(lambda: call_message(seen, users), seen.status.task.id))

    def _concerned(self, status: TaskStatus) -> list[str]:
        """Ids in Slack of who asked for a task that is over, and of who had it merged."""
        merged = [one.decision.person.id for one in status.decisions if one.decision.action is Action.MERGE]
        try:
            people = self._owners.platform().people
        except PolicyFileBroken:
            return []
        persons = dict.fromkeys((status.task.requester.id, *merged))
        return [people[one].slack for one in persons if one in people and people[one].slack]


def _about(seen: TaskSeen) -> str:
    """What is to be told, by a name that no other has; empty if there is nothing that people would not know."""
    status = seen.status
    if seen.watch is not None and seen.watch.red is not None and seen.merged:
        return "red"
    if status.outcome is not None:
        return "" if _ended_by_who_asked(status) or seen.reverted is not None else "end"
    if seen.since is None or seen.halted:
        return ""
    # A question is a message of its own, and who has just approved knows that it waits to be merged.
    waits = status.stage in {Stage.REVIEW, Stage.GUIDANCE} or (
        status.stage is Stage.APPROVED and status.approved_by == (POLICY,)
    )
    return str(int(seen.since.timestamp())) if waits else ""


def _ended_by_who_asked(status: TaskStatus) -> bool:
    last = status.decisions[-1].decision if status.decisions else None
    by_person = status.outcome in {Outcome.MERGED, Outcome.REJECTED, Outcome.CANCELLED, Outcome.DISCARDED}
    return by_person and last is not None and last.person.id == status.task.requester.id
