"""Showing a task below a GitHub issue where it was asked for under another name, such as that of a tracker's issue.

Where the issue itself is what was asked for, the task's own workflow says the same.
"""

import re
from collections.abc import Mapping
from datetime import timedelta

from activities.forge.github.discussion import GitHubDiscussion
from activities.forge.github.failed import GitHubRefused, GitHubUnavailable
from activities.policy.owners import OwnersFiles
from workers.gateway.conversations import Look, PlaceAway
from workers.gateway.messages import TaskView
from workflows.models.conversation import Place
from workflows.models.status import Stage
from workflows.told import asking, blocked, ended, proposed

_PLACE = re.compile(r"([^#]{1,200})#(\d{1,9})")
_TOLD = "told"


class GitHubPresenter:
    """Implements conversations.Presenter for places `github:OWNER/NAME#NUMBER`."""

    def __init__(self, owners: OwnersFiles, discussion: GitHubDiscussion) -> None:
        self._owners = owners
        self._discussion = discussion

    async def show(self, place: Place, notes: Mapping[str, str], view: TaskView) -> Look:
        """See conversations.Presenter."""
        table, named = self._owners.platform().github, _PLACE.fullmatch(":".join(place.parts))
        if table is None or named is None:
            return Look(dict(notes), why_not="it is not an issue on the GitHub of journeyman.toml")
        is_over = view.status.outcome is not None
        news = _news(view)
        if news is None or notes.get(_TOLD) == news[0]:
            return Look(dict(notes), is_over=is_over)
        mark, text = news
        try:
            # Said once for each mark, whatever is remembered here.
            url = f"{table.web}/{named[1]}"
            await self._discussion.say(url, int(named[2]), text, f"{view.status.task.id}-{mark}")
        except GitHubUnavailable as away:
            after = timedelta(seconds=away.after_seconds) if away.after_seconds is not None else None
            raise PlaceAway(str(away), after) from away
        except GitHubRefused as refused:
            return Look(dict(notes), is_over=is_over, why_not=str(refused))
        return Look({_TOLD: mark}, is_over=is_over)


def _news(view: TaskView) -> tuple[str, str] | None:
    """What people have to be told now, and by which mark it is known; None while nothing waits for them."""
    status = view.status
    task, question = status.task.id, status.question
    if status.outcome is not None:
        return "ended", ended(status)
    if status.stage is Stage.QUESTION and question is not None:
        return f"question-{question.id}", asking(task, question)
    if status.stage is Stage.GUIDANCE:
        summary = status.evaluation.summary if status.evaluation is not None else status.message
        return f"blocked-{status.round}", blocked(task, summary)
    if status.pull_request is not None:
        return "proposed", proposed(task, status.pull_request)
    return None
