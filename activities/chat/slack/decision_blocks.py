"""Who decided what about a task, and the buttons by which the next decision is made."""

from collections.abc import Iterator

from slack_sdk.models.blocks import ButtonElement, ConfirmObject, PlainTextObject

from activities.chat.slack.button import APPROVE, APPROVE_MERGE, REJECT, REQUEST_CHANGES, REVERT, Button
from activities.chat.slack.formatting import code, when
from activities.chat.slack.seen import TaskSeen
from workflows.models.decision import Action, Decision
from workflows.models.plural import plural
from workflows.models.status import POLICY, Stage, TaskStatus

_MOST_DECISIONS = 8
_DID = {
    Action.APPROVE: "Approved",
    Action.REQUEST_CHANGES: "Changes requested",
    Action.REJECT: "Rejected",
    Action.MERGE: "Merge decided",
    Action.CANCEL: "Cancelled",
    Action.ANSWER: "Answered",
    Action.WITHDRAW: "Approval taken back",
}
_WITHOUT_CHOICE = "said"


def decided(status: TaskStatus) -> Iterator[str]:
    """Who decided what and when, the newest last."""
    decisions = [signed.decision for signed in status.decisions]
    if (left_out := len(decisions) - _MOST_DECISIONS) > 0:
        yield f"after {plural(left_out, 'earlier decision')}"
    yield from (_decision(one) for one in decisions[-_MOST_DECISIONS:])
    if POLICY in status.approved_by:
        yield "Approved by policy"


def _decision(one: Decision) -> str:
    what = f" {one.choice or _WITHOUT_CHOICE}" if one.action is Action.ANSWER else ""
    words = f": {code(one.message, 200)}" if one.message.strip() else ""
    return f"{_DID.get(one.action, str(one.action))}{what} by {code(one.person.id, 80)} {when(one.decided_at)}{words}"


def decision_buttons(seen: TaskSeen) -> list[ButtonElement]:
    """What can be decided at its stage, about exactly what is shown."""
    match seen.status.stage:
        case Stage.REVIEW:
            return [
                _button(seen, APPROVE, "Approve", style="primary"),
                _button(seen, APPROVE_MERGE, "Approve and merge"),
                _changes(seen),
                _reject(seen),
            ]
        case Stage.APPROVED:
            return [_button(seen, APPROVE_MERGE, "Merge", style="primary"), _changes(seen), _reject(seen)]
        case Stage.GUIDANCE:
            return [_changes(seen), _reject(seen)]
        case Stage.ENDED if seen.merged and seen.can_revert:
            return [revert_button(seen.status.task.id)]
        case _:
            return []


def revert_button(task: str) -> ButtonElement:
    """Takes a merge back, once it was asked whether that is meant."""
    return ButtonElement(
        text=PlainTextObject(text="Revert", emoji=False),
        action_id=REVERT,
        value=Button(task=task).dump(),
        style="danger",
        accessibility_label=f"Revert: take the merge of task {task} back"[:75],
        confirm=ConfirmObject(
            title="Take it back?",
            text=PlainTextObject(text="The merge is undone by a new commit on base, at once.", emoji=False),
            confirm="Revert",
            deny="Leave it",
            style="danger",
        ),
    )


def _changes(seen: TaskSeen) -> ButtonElement:
    return _button(seen, REQUEST_CHANGES, "Request changes")


def _reject(seen: TaskSeen) -> ButtonElement:
    asks = ConfirmObject(
        title="Reject it?",
        text=PlainTextObject(text="The task ends without a merge. What there is stays in the archive.", emoji=False),
        confirm="Reject",
        deny="Leave it",
        style="danger",
    )
    return _button(seen, REJECT, "Reject", style="danger", confirm=asks)


def _button(
    seen: TaskSeen, action: str, label: str, style: str | None = None, confirm: ConfirmObject | None = None
) -> ButtonElement:
    about = Button(task=seen.status.task.id, head=seen.head, evidence=seen.evidence_hash)
    return ButtonElement(
        text=PlainTextObject(text=label, emoji=False),
        action_id=action,
        value=about.dump(),
        style=style,
        confirm=confirm,
        accessibility_label=f"{label}: task {seen.status.task.id}, commit {seen.head[:12]}"[:75],
    )
