"""What a pull request on GitHub tells beside its description: one comment that is edited, labels, reviewers, draft.

Somebody else's comment is never taken for ours, whatever it says: it could not be edited, and could say anything.
"""

import asyncio
import logging
from collections.abc import Callable
from itertools import islice

from github.IssueComment import IssueComment
from github.PullRequest import PullRequest as GitHubPull
from github.Repository import Repository as GitHubRepository

from activities.forge.github.access import GitHubAccess
from activities.forge.github.discussion import OUR_MARK
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused, GitHubUnavailable
from workflows.models.standing import PullStanding
from workflows.models.task import Task

_MOST_COMMENTS = 300
_log = logging.getLogger(__name__)
_LONGEST_BODY, _LONGEST_LABEL = 60_000, 50
"""GitHub takes 65,536 characters, and labels of 50."""
_FORBIDDEN, _UNPROCESSABLE, _BAD_REQUEST = 403, 422, 400


class Telling:
    """Of one repository, as one account. Every method blocks."""

    def __init__(self, repository: GitHubRepository, login: str) -> None:
        """`login`: whose comments are ours."""
        self._repository = repository
        self._login = login

    def tell(self, task: Task, number: int, standing: PullStanding) -> str:
        """See contract.Forge.tell."""
        with translated(f"reading pull request {number}"):
            pull = self._repository.get_pull(number)
        if pull.state != "open":
            return ""
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("its comment", lambda: self._comment(pull, task, standing.comment)),
            ("its labels", lambda: _label(pull, standing.labels)),
            ("whether it is a draft", lambda: _draft(pull, standing.draft)),
            ("its reviewers", lambda: _ask(pull, standing)),
        )
        not_shown = []
        for what, step in steps:
            try:
                with translated(f"writing {what}"):
                    step()
            except GitHubRefused as refused:
                if refused.status not in {_FORBIDDEN, _UNPROCESSABLE, _BAD_REQUEST}:
                    raise
                not_shown.append(str(refused))
        return "; ".join(not_shown)

    def ends(self, task: Task, number: int, text: str) -> None:
        """Have the comment, if there is one, say how it ended. Raises GitHubRefused and GitHubUnavailable."""
        mark = f"{OUR_MARK}{task.id} -->"
        with translated(f"writing how pull request {number} ended"):
            known = self._ours(self._repository.get_pull(number), mark)
            if known is not None and known.body.replace("\r\n", "\n") != (body := f"{mark}\n{text}"[:_LONGEST_BODY]):
                known.edit(body)

    def _comment(self, pull: GitHubPull, task: Task, text: str) -> None:
        mark = f"{OUR_MARK}{task.id} -->"
        body = f"{mark}\n{text}"[:_LONGEST_BODY]
        known = self._ours(pull, mark)
        if known is None:
            pull.create_issue_comment(body)
        elif known.body.replace("\r\n", "\n") != body:
            known.edit(body)

    def _ours(self, pull: GitHubPull, mark: str) -> IssueComment | None:
        # The oldest: had an answer been lost, and another been made, both would be told the same for ever.
        for comment in islice(pull.get_issue_comments(), _MOST_COMMENTS):
            if comment.user.login == self._login and comment.body.startswith(mark):
                return comment
        return None


async def tell_end(access: GitHubAccess, task: Task, number: int, comment: str) -> None:
    """What a comment says can be done, can't be any more; that this could not be told undoes nothing."""
    url = task.repository.url
    try:
        ours = Telling(await access.repository(url), await asyncio.to_thread(access.login, url))
        await asyncio.to_thread(ours.ends, task, number, comment)
    except (GitHubRefused, GitHubUnavailable) as unsaid:
        _log.info("%s", unsaid)


def _label(pull: GitHubPull, labels: tuple[str, ...]) -> None:
    missing = [name[:_LONGEST_LABEL] for name in labels if name not in {label.name for label in pull.labels}]
    if missing:
        pull.add_to_labels(*missing)


def _draft(pull: GitHubPull, draft: bool) -> None:
    """Not every plan has drafts; a pull request that is none stays one that people may look at."""
    if draft and not pull.draft:
        pull.convert_to_draft()
    elif pull.draft and not draft:
        pull.mark_ready_for_review()


def _ask(pull: GitHubPull, standing: PullStanding) -> None:
    """Ask the owners once: not who was asked, and not who has said something already."""
    if standing.draft or not standing.reviewers:
        return
    people, teams = _named(standing.reviewers)
    known = {person.login.lower() for person in pull.requested_reviewers}
    known |= {review.user.login.lower() for review in pull.get_reviews() if review.user is not None}
    asked = {team.slug.lower() for team in pull.requested_teams}
    for person in people:
        if person.lower() not in known:
            _request(lambda person=person: pull.create_review_request(reviewers=[person]))  # type: ignore[misc]
    for team in teams:
        if team.lower() not in asked:
            _request(lambda team=team: pull.create_review_request(team_reviewers=[team]))  # type: ignore[misc]


def _request(ask: Callable[[], None]) -> None:
    """Each by itself: one who may not review there would take the others along."""
    try:
        with translated("asking for a review"):
            ask()
    except GitHubRefused as refused:
        if refused.status != _UNPROCESSABLE:
            raise


def _named(owners: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Accounts and teams; who is named by an address can't be asked by it."""
    names = [name.removeprefix("@") for name in owners if name.startswith("@")]
    return [name for name in names if "/" not in name], [name.partition("/")[2] for name in names if "/" in name]
