"""Pull requests on GitHub: found by their branch before any is made, so that a retry adopts what is there."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

from github.PullRequest import PullRequest as GitHubPull
from github.Repository import Repository as GitHubRepository

from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused
from workflows.models.pull_request import PullRequest

Answer = TypeVar("Answer")

_MOST_PULLS = 100
"""Of one branch: whoever may write can open one to each branch that there is."""

_UNPROCESSABLE = 422
_LONGEST_BODY = 65_000
"""GitHub takes 65,536 characters."""
_LONGEST_TITLE = 250


class GitHubPulls:
    """The pull requests of one repository; every method asks GitHub."""

    def __init__(self, repository: GitHubRepository) -> None:
        self._repository = repository

    async def of_branch(self, branch: str) -> GitHubPull | None:
        """The newest of a branch of this repository, never a fork's."""
        return await self._do(f"looking for the pull request of {branch}", lambda: self._of_branch(branch))

    async def all_of_branch(self, branch: str) -> list[GitHubPull]:
        """All that ask for a branch of this repository, the newest first, wherever they lead."""
        return await self._do(f"looking for pull requests of {branch}", lambda: list(self._all_of_branch(branch)))

    async def of_number(self, number: int) -> GitHubPull:
        """By number."""
        return await self._do(f"reading pull request {number}", lambda: self._repository.get_pull(number))

    async def ensure(self, *, branch: str, head: str, base: str, title: str, body: str) -> GitHubPull:
        """The open one of a branch with this text, adopted and brought up to date, or made; or merged at this head."""
        return await self._do(f"proposing {branch}", lambda: self._ensure(branch, head, base, title, _fit(body)))

    def _of_branch(self, branch: str) -> GitHubPull | None:
        return next(self._all_of_branch(branch), None)

    def _all_of_branch(self, branch: str) -> Iterator[GitHubPull]:
        owner = self._repository.owner.login
        found = self._repository.get_pulls(state="all", head=f"{owner}:{branch}", sort="created", direction="desc")
        for pull in islice(found, _MOST_PULLS):
            # A fork may have a branch of that name.
            if pull.head.ref == branch and pull.head.repo is not None and pull.head.repo.id == self._repository.id:
                yield pull

    def _ensure(self, branch: str, head: str, base: str, title: str, body: str) -> GitHubPull:
        title = title[:_LONGEST_TITLE]
        pull = self._of_branch(branch)
        if pull is not None and pull.merged and pull.head.sha == head:
            return pull
        if pull is None or pull.state != "open":
            try:
                with translated(f"making the pull request of {branch}"):
                    return self._repository.create_pull(base=base, head=branch, title=title, body=body)
            except GitHubRefused as refused:
                # Somebody made one in between: this step, before its answer was lost.
                pull = self._of_branch(branch) if refused.status == _UNPROCESSABLE else None
                if pull is None or pull.state != "open":
                    raise
        if (pull.title, pull.body or "", pull.base.ref) != (title, body, base):
            pull.edit(title=title, body=body, base=base)
        if pull.draft:
            # It was worked on again, and is done: GitHub merges no drafts.
            pull.mark_ready_for_review()
        return pull

    async def _do(self, purpose: str, ask: Callable[[], Answer]) -> Answer:
        def asked() -> Answer:
            with translated(purpose):
                return ask()

        return await asyncio.to_thread(asked)


def as_model(pull: GitHubPull) -> PullRequest:
    """In terms that every forge fulfils."""
    return PullRequest(number=pull.number, url=pull.html_url, head=pull.head.ref, base=pull.base.ref, title=pull.title)


def _fit(body: str) -> str:
    if len(body) <= _LONGEST_BODY:
        return body
    return f"{body[:_LONGEST_BODY]}\n\n(GitHub takes no more; `journeyman show` has the rest.)"
