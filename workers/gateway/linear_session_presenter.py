"""Showing a task in the session that somebody began about it in Linear: what is done, asked, and what came of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.failed import LinearAway, LinearRefused
from activities.tracker.linear.sessions import LinearSessions
from workers.gateway.conversations import Look, PlaceAway
from workers.gateway.linear_presenter import is_over, until_settled
from workers.gateway.linear_wording import asked, headline, how_to_answer, shown_address, what_to_do
from workers.gateway.messages import TaskView
from workflows.models.conversation import Place
from workflows.models.question import QuestionKind
from workflows.models.status import Outcome, Stage
from workflows.presentation import as_code

_ALIVE = timedelta(minutes=20)
"""How often a session hears something while work goes on: after thirty minutes Linear calls it stale."""
_TEXT = 1500
_LAST, _LINKED = "last", "linked"
_WAITS = frozenset({Stage.REVIEW, Stage.APPROVED, Stage.GUIDANCE})
_ERRORS = frozenset({Outcome.FAILED, Outcome.AGENT_FAILED, Outcome.UNANSWERED})


class LinearSessionPresenter:
    """Implements conversations.Presenter for places `linear-session:ORGANISATION:SESSION`."""

    def __init__(self, sessions: LinearSessions, actor: LinearActor) -> None:
        self._sessions = sessions
        self._actor = actor

    async def show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        """See conversations.Presenter."""
        organization, session_id = place.parts
        kept = dict(notes)
        now = datetime.now(UTC)
        try:
            if (await self._actor.me()).organization != organization:
                return Look(kept, why_not="the token of [linear] is another workspace's")
            await self._link(session_id, kept, view)
            await self._tell(session_id, kept, view, now)
        except LinearAway as away:
            raise PlaceAway(str(away), away.again_in) from away
        except LinearRefused as refused:
            return Look(kept, is_over=is_over(view), why_not=str(refused))
        works = view.status.outcome is None and view.status.stage not in {*_WAITS, Stage.QUESTION}
        return Look(kept, look_at=now + _ALIVE if works else until_settled(view), is_over=is_over(view))

    async def _link(self, session_id: str, notes: dict[str, str], view: TaskView) -> None:
        pull = view.status.pull_request
        if pull is None or not pull.url.startswith(("https://", "http://")) or notes.get(_LINKED) == pull.url:
            return
        await self._sessions.link(session_id, f"Pull request {pull.number}", pull.url)
        notes[_LINKED] = pull.url

    async def _tell(self, session_id: str, notes: dict[str, str], view: TaskView, now: datetime) -> None:
        status = view.status
        task, question = status.task.id, status.question
        mark = standing(view, now)
        if notes.get(_LAST) == mark:
            return
        lines = [f"Task `{task}` {headline(view)}."]
        if status.message and status.stage not in {Stage.RUN, Stage.EXPORT, Stage.QUESTION}:
            lines.append(as_code(status.message, _TEXT))
        if status.pull_request is not None:
            lines.append(f"Pull request: {shown_address(status.pull_request.url)}")
        if status.stage is Stage.QUESTION and question is not None:
            choices = [] if question.kind is QuestionKind.SPECIFICATION else [one.value for one in question.choices]
            text = "\n\n".join((*lines, asked(question), how_to_answer(question)))
            await self._sessions.say(session_id, "elicitation", text, task, mark, choices=choices)
        elif status.outcome is not None:
            kind = "error" if status.outcome in _ERRORS else "response"
            await self._sessions.say(session_id, kind, "\n\n".join((*lines, *what_to_do(view))), task, mark)
        elif status.stage in _WAITS:
            await self._sessions.say(session_id, "elicitation", "\n\n".join((*lines, *what_to_do(view))), task, mark)
        else:
            action = headline(view).replace("*", "")
            await self._sessions.act(session_id, f"Task {task} {action}", f"round {status.round}", task, mark)
        notes[_LAST] = mark


def standing(view: TaskView, now: datetime) -> str:
    """By what one activity is known: the same standing is told once, and while work goes on once in a while."""
    status = view.status
    if any(revert.outcome.is_back for revert in view.reverts):
        return "taken back"
    if status.outcome is not None:
        return f"ended {status.outcome}"
    if status.stage is Stage.QUESTION and status.question is not None:
        return f"question {status.question.id}"
    if status.stage in _WAITS:
        head = status.patch.head if status.patch is not None else ""
        evidence = status.evaluation.evidence_hash if status.evaluation is not None else ""
        return f"{status.stage} {status.round} {head} {evidence} {len(status.decisions)}"
    return f"{headline(view)} {status.round} {int(now.timestamp() / _ALIVE.total_seconds())}"
