"""What is written when a task has waited too long: to those who may decide, and later to their team's channel."""

from collections.abc import Sequence

from activities.chat.slack.blocks import headline
from activities.chat.slack.formatting import code, link, mention, when
from activities.chat.slack.message import Message, said
from activities.chat.slack.seen import TaskSeen

MOST_MENTIONED = 10


def reminder_message(seen: TaskSeen, users: Sequence[str]) -> Message:
    """In the thread. `users`: ids in Slack of those who may decide."""
    named = " ".join(filter(None, (mention(user) for user in users[:MOST_MENTIONED])))
    more = f" and {len(users) - MOST_MENTIONED} more who may" if len(users) > MOST_MENTIONED else ""
    text = f"{named}{more} {_waits(seen)}".strip()
    return Message(text, (said(text),))


def escalation_message(seen: TaskSeen, thread: str) -> Message:
    """In a channel. `thread`: the address of the task's message; empty if it is not known."""
    where = f" in {link(thread, 'its thread')}" if thread else ""
    asked = f"Asked by {code(seen.status.task.requester.id, 80)}: {code(seen.status.task.goal, 300)}"
    return Message(_waits(seen), (said(f":hourglass: {_waits(seen)}{where}\n{asked}"),))


def _waits(seen: TaskSeen) -> str:
    status = seen.status
    since = f" since {when(seen.since)}" if seen.since is not None else ""
    task = f"Task {code(status.task.id)} in {code(status.task.repository.name, 100)}"
    return f"{task} waits for {status.waits_for or 'a person'}{since}: {headline(seen)}"
