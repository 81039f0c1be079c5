"""Showing a task at its Linear issue: its state, its pull request, and one comment that is changed."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.failed import LinearAway, LinearRefused
from activities.tracker.linear.issue import Issue, State
from activities.tracker.linear.issues import LinearIssues
from workers.gateway.conversations import Look, PlaceAway
from workers.gateway.linear_wording import headline, told
from workers.gateway.messages import TaskView
from workflows.models.conversation import Place
from workflows.models.status import Outcome, Stage

_REVERTS_FOR = timedelta(days=30)
"""How long after a merge its being taken back is still shown."""
_REVIEW = frozenset({Stage.REVIEW, Stage.APPROVED, Stage.MERGE})
_COMMENT, _SAID, _STATE, _LINKED = "comment", "said", "state", "linked"


class LinearPresenter:
    """Implements conversations.Presenter for places `linear:ORGANISATION:ISSUE`."""

    def __init__(self, issues: LinearIssues, actor: LinearActor) -> None:
        self._issues = issues
        self._actor = actor

    async def show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        """See conversations.Presenter."""
        organization, issue_id = place.parts
        kept = dict(notes)
        try:
            if (await self._actor.me()).organization != organization:
                return Look(kept, why_not="the token of [linear] is another workspace's")
            issue = await self._issues.issue(issue_id)
            if issue is None or issue.is_gone:
                return Look(kept, why_not="the issue is gone, or its team is archived")
            await self._say(issue, kept, view)
            await self._link(issue, kept, view)
            await self._move(issue, kept, view)
        except LinearAway as away:
            raise PlaceAway(str(away), away.again_in) from away
        except LinearRefused as refused:
            return Look(kept, is_over=is_over(view), why_not=str(refused))
        return Look(kept, look_at=until_settled(view), is_over=is_over(view))

    async def _say(self, issue: Issue, notes: dict[str, str], view: TaskView) -> None:
        text = told(view)
        said = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        if notes.get(_SAID) == said:
            return
        comment_id = notes.get(_COMMENT) or await self._issues.say(issue.id, text, view.status.task.id)
        there = await self._issues.comment(comment_id)
        if there is None:
            # Somebody deleted it, and how it stands now is to be seen all the same.
            comment_id = await self._issues.say(issue.id, text, view.status.task.id)
        elif there.body.strip() != text.strip():
            await self._issues.edit(comment_id, text)
        notes.update({_COMMENT: comment_id, _SAID: said})

    async def _link(self, issue: Issue, notes: dict[str, str], view: TaskView) -> None:
        pull = view.status.pull_request
        if pull is None or not pull.url.startswith(("https://", "http://")):
            return
        subtitle = headline(view).replace("*", "")
        if notes.get(_LINKED) != subtitle:
            await self._issues.attach(issue, pull.url, pull.title or f"Pull request {pull.number}", subtitle)
            notes[_LINKED] = subtitle

    async def _move(self, issue: Issue, notes: dict[str, str], view: TaskView) -> None:
        """Into the state that fits, unless a person has put it into one of their own meanwhile."""
        wanted = wanted_state(await self._issues.states(issue.team_id), view)
        if wanted is None or wanted.id == issue.state.id:
            notes[_STATE] = issue.state.id
            return
        if notes.get(_STATE) != issue.state.id and not await self._is_ours(issue, notes, view):
            return
        await self._issues.move(issue, wanted)
        notes[_STATE] = wanted.id

    async def _is_ours(self, issue: Issue, notes: Mapping[str, str], view: TaskView) -> bool:
        """Whether nobody but us moved it since the task began: notes may be lost, and answers too."""
        mine = (await self._actor.me()).id
        moves = [change for change in await self._issues.changes(issue.id) if change.state_id]
        if moves and moves[0].actor == mine and moves[0].state_id == issue.state.id:
            return True
        begun = view.status.spans[0].started if view.status.spans else datetime.now(UTC)
        by_others = [change for change in moves if change.actor != mine and change.at > begun]
        # What is done or dropped when a task begins stays that: somebody asked for it all the same.
        return not notes.get(_STATE) and not by_others and issue.state.type not in {"completed", "canceled"}


def wanted_state(states: Sequence[State], view: TaskView) -> State | None:
    """The state of a team's workflow that says how a task stands; None where the team has none. `states`: in order."""
    status = view.status
    if any(revert.outcome.is_back for revert in view.reverts):
        return _first(states, "unstarted", "backlog")
    if status.outcome is Outcome.MERGED:
        return _first(states, "completed")
    if status.outcome is not None:
        return _first(states, "unstarted", "backlog")
    if status.stage in _REVIEW:
        named = [one for one in states if one.type == "started" and "review" in one.name.lower()]
        return named[0] if named else _first(states, "started")
    return _first(states, "started")


def is_over(view: TaskView) -> bool:
    """Whether nothing can change any more that is shown: a merge can be taken back for a while."""
    return view.status.outcome is not None and until_settled(view) is None


def until_settled(view: TaskView) -> datetime | None:
    """When a merge that is not taken back is looked at for the last time; None if it was, or there is none."""
    status = view.status
    if status.outcome is not Outcome.MERGED or any(revert.outcome.is_back for revert in view.reverts):
        return None
    ended = max((span.ended or span.started for span in status.spans), default=None)
    last = ended + _REVERTS_FOR if ended is not None else None
    return last if last is not None and last > datetime.now(UTC) else None


def _first(states: Sequence[State], *types: str) -> State | None:
    for kind in types:
        for state in states:
            if state.type == kind:
                return state
    return None
