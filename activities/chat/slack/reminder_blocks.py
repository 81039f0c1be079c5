"""What is written so that people hear of a task: that it waits for them, has waited too long, or is over."""

from collections.abc import Sequence

from activities.chat.slack.blocks import headline
from activities.chat.slack.formatting import code, link, mention, when
from activities.chat.slack.message import Message, said
from activities.chat.slack.seen import TaskSeen

MOST_MENTIONED = 10


def call_message(seen: TaskSeen, users: Sequence[str]) -> Message:
    """In the thread, about what has just become so. `users`: ids in Slack of those whom it concerns."""
    status, task = seen.status, _task(seen)
    if seen.watch is not None and seen.watch.red is not None and seen.merged:
        words = f":red_circle: *Base turned red* with task {task}: look above, and take it back or mend base"
    else:
        words = f"{headline(seen)}: {code(status.task.goal, 150)} (task {task})"
    text = f"{_named(users)} {words}".strip()
    return Message(text, (said(text),))


def reminder_message(seen: TaskSeen, users: Sequence[str]) -> Message:
    """In the thread. `users`: ids in Slack of those who may decide."""
    text = f"{_named(users)} {_waits(seen)}".strip()
    return Message(text, (said(text),))


def escalation_message(seen: TaskSeen, thread: str) -> Message:
    """In a channel. `thread`: the address of the task's message; empty if it is not known."""
    where = f" in {link(thread, 'its thread')}" if thread else ""
    asked = f"Asked by {code(seen.status.task.requester.id, 80)}: {code(seen.status.task.goal, 300)}"
    return Message(_waits(seen), (said(f":hourglass: {_waits(seen)}{where}\n{asked}"),))


def _named(users: Sequence[str]) -> str:
    named = " ".join(filter(None, (mention(user) for user in users[:MOST_MENTIONED])))
    return f"{named} and {len(users) - MOST_MENTIONED} more who may" if len(users) > MOST_MENTIONED else named


def _task(seen: TaskSeen) -> str:
    return f"{code(seen.status.task.id)} in {code(seen.status.task.repository.name, 100)}"


def _waits(seen: TaskSeen) -> str:
    status = seen.status
    since = f" since {when(seen.since)}" if seen.since is not None else ""
    return f"Task {_task(seen)} waits for {status.waits_for or 'a person'}{since}: {headline(seen)}"
