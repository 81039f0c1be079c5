"""The one message about a task: where it stands, what was found out, what can be decided, and who decided what.

It is written again in place as the task goes on. What policy would do is in it only once a person has decided: until
then the status does not have it.
"""

from collections.abc import Iterator

from slack_sdk.models.blocks import Block

from activities.chat.slack.decision_blocks import decided, decision_buttons
from activities.chat.slack.formatting import code, link, shown, usd, when
from activities.chat.slack.message import Message, aside, buttons, header, said, said_in_lines, unformatted
from activities.chat.slack.review_blocks import judged
from activities.chat.slack.seen import TaskSeen
from workflows.models.plural import plural
from workflows.models.pull_request import RevertOutcome, RevertOutlook, RevertPreview
from workflows.models.status import Outcome, Stage, TaskStatus
from workflows.models.watch import WatchOutcome

_STAGES = {
    Stage.PREPARE: "Getting ready",
    Stage.CONTEXT: "Reading what the agent has to know",
    Stage.RUN: "The agent is at work",
    Stage.EXPORT: "Taking the patch out of its sandbox",
    Stage.EVALUATE: "Judging the patch",
    Stage.PROPOSE: "Proposing the patch",
    Stage.REVIEW: "Ready for review",
    Stage.APPROVED: "Approved, to be merged",
    Stage.QUESTION: "Waits for an answer",
    Stage.GUIDANCE: "Does not pass: what should change?",
    Stage.MERGE: "Merging",
    Stage.RECORD: "Putting it on record",
    Stage.ENDED: "Ended",
}
_OUTCOMES = {
    Outcome.MERGED: "Merged",
    Outcome.REJECTED: "Rejected",
    Outcome.CANCELLED: "Cancelled",
    Outcome.NO_CHANGES: "Ended: the agent changed nothing",
    Outcome.AGENT_FAILED: "Ended: the agent failed",
    Outcome.DISCARDED: "Discarded",
    Outcome.UNANSWERED: "Ended: nobody answered in time",
    Outcome.FAILED: "Failed",
}
_JUDGED = frozenset({Stage.REVIEW, Stage.APPROVED, Stage.GUIDANCE, Stage.MERGE})
"""Stages at which the patch that was judged is the one that is decided about."""
_MOST_GOAL = 900
_MOST_SAID = 600


def headline(seen: TaskSeen) -> str:
    """In a few words of ours, how it stands."""
    status = seen.status
    if seen.reverted is not None:
        return "Taken back"
    if status.outcome is not None:
        return _OUTCOMES[status.outcome]
    return "Halted" if seen.halted else _STAGES[status.stage]


def task_message(seen: TaskSeen) -> Message:
    """All that there is to say of it now."""
    status = seen.status
    text = f"{headline(seen)}: {code(status.task.goal, 200)} (task {code(status.task.id)})"
    return Message(text, (*_blocks(seen), *buttons(decision_buttons(seen))))


def _blocks(seen: TaskSeen) -> Iterator[Block]:
    status = seen.status
    yield header(headline(seen))
    yield from said_in_lines(_standing(seen))
    yield said(f"*Asked* by {code(status.task.requester.id, 80)}:")
    yield unformatted(shown(status.task.goal, _MOST_GOAL))
    if status.stage in _JUDGED or status.outcome is Outcome.MERGED:
        yield from judged(status)
    yield from said_in_lines((*decided(status), *_after(seen)))
    yield aside(" · ".join(_about(seen)))


def _standing(seen: TaskSeen) -> Iterator[str]:
    status = seen.status
    if seen.since is not None:
        since = f"{'At' if status.outcome is not None else 'Since'} {when(seen.since)}"
        yield f"{since}, waits for {status.waits_for}" if status.waits_for else since
    if seen.halted:
        yield f"Its work stands still: {code(seen.halted, _MOST_SAID)}"
    if status.message and status.stage is not Stage.QUESTION:
        yield code(status.message, _MOST_SAID)
    if status.silent_at is not None and status.outcome is None:
        yield f"Its host has been silent since before {when(status.silent_at)}; it goes on elsewhere if it stays so"
    yield from (f"Hung: {code(hang, 200)}" for hang in status.hangs[-3:] if status.outcome is None)


def _about(seen: TaskSeen) -> Iterator[str]:
    status = seen.status
    task = status.task
    yield f"Task {code(task.id)} in {code(task.repository.name, 100)} onto {code(task.base, 100)}"
    yield cost(status)
    if status.pull_request is not None:
        pull = status.pull_request
        yield link(pull.url, f"pull request #{pull.number}", below=task.repository.url)
    if seen.temporal_ui:
        yield link(seen.temporal_ui, "Temporal")
    yield (link(seen.trace_ui, "trace") if seen.trace_ui else f"trace: {code(f'journeyman show {task.id} --timeline')}")


def cost(status: TaskStatus) -> str:
    """What it has used of model providers."""
    used = status.used
    about = "about " if used.estimated else ""
    rounds = f", {plural(status.runs, 'run')}" if status.runs else ""
    return f"{about}{usd(used.micro_usd)} so far{rounds}" if status.outcome is None else f"{about}{usd(used.micro_usd)}"


def _after(seen: TaskSeen) -> Iterator[str]:
    """What came of it once it was merged."""
    status = seen.status
    if status.outcome is Outcome.MERGED:
        outside = " on the forge's own page" if status.merged_outside else ""
        yield f"Merged{outside} as {code(status.merge_commit[:12])}"
    watch = seen.watch
    if watch is not None and watch.red is not None:
        red = watch.red
        detail = f": {code(red.detail, 300)}" if red.detail else ""
        yield f":red_circle: *Base turned red* with it: {code(red.name)} on {code(red.commit[:12])}{detail}"
        if watch.outcome is WatchOutcome.STUCK and watch.revert is not None:
            yield f"Policy could not take it back, people have to: {code(watch.revert.detail, 300)}"
    elif watch is not None and seen.merged:
        yield "Nothing turned bad while base was watched"
    if watch is not None and watch.outlook is not None and seen.merged:
        yield _outlook(watch.outlook)
    if seen.reverted is not None:
        by = f" by {code(seen.reverted_by, 80)}" if seen.reverted_by else ""
        commit = f" as {code(seen.reverted.commit[:12])}" if seen.reverted.commit else ""
        yield f"*Taken back*{by}{commit} in {seen.reverted.seconds:.0f} s"
        if seen.reverted.detail:
            yield code(seen.reverted.detail, 300)
    elif seen.reverts:
        yield from _not_back(seen)
    if seen.merged and not seen.can_revert:
        yield f"It can still be taken back: {code(f'journeyman revert {status.task.id}')}"


def _outlook(preview: RevertPreview) -> str:
    """What taking it back would come to, as it was tried on a copy of base."""
    tried = f" when it was tried {when(preview.tried_at)}" if preview.tried_at is not None else ""
    if preview.outlook is RevertOutlook.CLEAN:
        return f"Taking it back was clean{tried}"
    paths = ", ".join(code(path, 100) for path in preview.conflicts[:3])
    why = f" in {paths}" if paths else f": {code(preview.detail, 200)}" if preview.detail else ""
    return f"Taking it back came to *{preview.outlook}*{why}{tried}"


def _not_back(seen: TaskSeen) -> Iterator[str]:
    """Of tries to take it back, how the last one went."""
    last, repository = seen.reverts[-1], seen.status.task.repository.url
    if last.outcome is RevertOutcome.PROPOSED:
        yield f"Its revert waits for a person: {link(last.pull_request, 'pull request', repository)}"
        return
    yield f"*Not taken back*: {last.outcome} {code(last.detail, 400)}"
    if last.conflicts:
        yield f"In conflict: {', '.join(code(path, 100) for path in last.conflicts[:5])}"
    if last.pull_request:
        yield f"To resolve: {link(last.pull_request, 'pull request', repository)}"
