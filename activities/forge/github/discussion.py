"""What is said on GitHub's pages: comments, reviews, and answers of our own, each given once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from github import UnknownObjectException
from github.IssueComment import IssueComment
from github.PullRequestReview import PullRequestReview
from github.Repository import Repository as GitHubRepository

from activities.forge.github.access import GitHubAccess

OUR_MARK = "<!-- journeyman "
"""In each comment that is written here, and shown nowhere."""
_MOST_COMMENTS = 100
_MOST_REVIEWS = 300
_LONGEST = 60_000


@dataclass(frozen=True)
class Remark:
    """One comment of somebody's."""

    login: str
    is_bot: bool
    text: str
    said_at: datetime
    """When it was written as it is."""


@dataclass(frozen=True)
class ReviewNow:
    """A review as it counts now."""

    id: int
    login: str
    state: str
    """`APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`."""
    commit: str
    """That was reviewed."""
    words: str
    at: datetime


@dataclass(frozen=True)
class PullNow:
    """A pull request as it is now."""

    head: str
    """Commit."""
    branch: str
    is_fork: bool


class GitHubDiscussion:
    """Reads and writes it; every method asks GitHub, and raises GitHubRefused or GitHubUnavailable."""

    def __init__(self, access: GitHubAccess) -> None:
        self._access = access

    async def remarks(self, url: str, number: int, until: datetime, but: int = 0) -> list[Remark]:
        """The comments below an issue as they were at a moment, the oldest first. `but`: id of one to leave out.

        One that was edited since is none of them: what it said then, GitHub does not tell.
        """

        def ask(repository: GitHubRepository) -> list[Remark]:
            listed = islice(repository.get_issue(number).get_comments(), _MOST_COMMENTS)
            found = [
                Remark(one.user.login, one.user.type != "User", one.body or "", one.updated_at)
                for one in listed
                if one.user is not None and one.id != but
            ]
            return [one for one in found if one.said_at <= until]

        return await self._access.ask(url, f"reading what was said about issue {number}", ask)

    async def reviews(self, url: str, number: int) -> list[ReviewNow]:
        """The newest of a pull request, the oldest first: whoever may read it may add as many as they like."""

        def ask(repository: GitHubRepository) -> list[ReviewNow]:
            newest: Iterable[PullRequestReview] = islice(
                repository.get_pull(number).get_reviews().reversed, _MOST_REVIEWS
            )
            found = [
                ReviewNow(one.id, one.user.login, one.state, one.commit_id or "", one.body or "", one.submitted_at)
                for one in newest
                if one.user is not None and one.submitted_at is not None
            ]
            return found[::-1]

        return await self._access.ask(url, f"reading the reviews of pull request {number}", ask)

    async def review(self, url: str, number: int, review_id: int) -> ReviewNow | None:
        """One of a pull request; None if it is not there."""

        def ask(repository: GitHubRepository) -> ReviewNow | None:
            try:
                one = repository.get_pull(number).get_review(review_id)
            except UnknownObjectException:
                return None
            if one.user is None or one.submitted_at is None:
                return None
            return ReviewNow(one.id, one.user.login, one.state, one.commit_id or "", one.body or "", one.submitted_at)

        return await self._access.ask(url, f"reading review {review_id}", ask)

    async def lines_of(self, url: str, number: int, review_id: int) -> list[str]:
        """What a review says of single lines, each as `path:line: words`, in its order."""

        def ask(repository: GitHubRepository) -> list[str]:
            said = islice(repository.get_pull(number).get_single_review_comments(review_id), _MOST_COMMENTS)
            return [f"{one.path}:{one.line or one.original_line or ''}: {one.body or ''}" for one in said]

        return await self._access.ask(url, f"reading what review {review_id} says of lines", ask)

    async def pull(self, url: str, number: int) -> PullNow:
        """Of a number."""

        def ask(repository: GitHubRepository) -> PullNow:
            pull = repository.get_pull(number)
            source = pull.head.repo
            return PullNow(pull.head.sha, pull.head.ref, source is None or source.id != repository.id)

        return await self._access.ask(url, f"reading pull request {number}", ask)

    async def say(self, url: str, number: int, text: str, mark: str) -> None:
        """Comment on an issue or a pull request, once for each mark.

        Somebody else's comment with that mark says nothing for us: others can work out which it will be.
        """
        hidden = f"{OUR_MARK}{mark} -->"
        ours = await asyncio.to_thread(self._access.login, url)

        def ask(repository: GitHubRepository) -> None:
            issue = repository.get_issue(number)
            # Newest first can't be asked for; of a long conversation the last page is where the answer would be.
            newest: Iterable[IssueComment] = islice(issue.get_comments().reversed, _MOST_COMMENTS)
            if any(hidden in (one.body or "") for one in newest if one.user is not None and one.user.login == ours):
                return
            issue.create_comment(f"{text[:_LONGEST]}\n\n{hidden}")

        await self._access.ask(url, f"answering at {number}", ask)
