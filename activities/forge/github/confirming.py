"""Asking GitHub whether what a delivery says is so: its signature tells that somebody has the secret, and no more."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

from github import UnknownObjectException
from github.IssueEvent import IssueEvent
from github.Repository import Repository as GitHubRepository
from pydantic import BaseModel

from activities.forge.github.access import GitHubAccess
from activities.webhooks.meaning import CiEnded, Commanded, Ignored, TaskWanted, command_in, ended
from activities.webhooks.payloads import Comment, Issue, Repository, Run, User

Read = TypeVar("Read", bound=BaseModel)
_NEWEST = 100
"""Events of an issue that are looked through for the one that was told."""


class Unconfirmed(Exception):
    """GitHub does not say that."""

    def __init__(self, reason: str, *, may_come: bool = False, is_told: bool = False) -> None:
        """`may_come`: it could be too early to ask; `is_told`: it is answered, since somebody did ask for something."""
        super().__init__(reason)
        self.may_come = may_come
        self.is_told = is_told


@dataclass(frozen=True)
class Happened:
    """Something that somebody did, as GitHub has it."""

    known_as: str
    """Unique over all that GitHub tells."""
    at: datetime
    place: str = ""
    """Of a line that was commented on: file and line."""


class _Said(Comment):
    user: User | None = None
    issue_url: str = ""
    pull_request_url: str = ""


class Confirming:
    """Every method raises Unconfirmed if it is not so, and GitHubRefused or GitHubUnavailable as any that asks."""

    def __init__(self, access: GitHubAccess) -> None:
        self._access = access

    async def commanded(self, url: str, told: Commanded) -> Happened:
        """That the comment is there, is theirs, and still says that."""
        kind = "pulls" if told.issue is None else "issues"
        now = await self._read(url, f"{kind}/comments/{told.comment_id}", _Said)
        if now is None:
            raise Unconfirmed("the comment is not there any more", may_come=True)
        where = (now.issue_url or now.pull_request_url).rpartition("/")[2]
        if where != str(told.number) or not _same(now.user, told.by):
            raise Unconfirmed("GitHub says that somebody else wrote it, or elsewhere")
        if command_in(now) != told.command:
            raise Unconfirmed("the comment was edited after it was sent: write another", is_told=True)
        if now.created_at is None:
            raise Unconfirmed("GitHub does not say when the comment was written")
        return Happened(f"{url} {kind} comment {told.comment_id}", now.created_at, now.place)

    async def wanted(self, url: str, told: TaskWanted) -> Happened:
        """That they labelled or assigned the issue so, which is open and says what it said then."""
        if (await self.says(url, told.issue)).state != "open":
            raise Unconfirmed("the issue is closed", is_told=True)

        def ask(repository: GitHubRepository) -> Happened | None:
            newest = islice(repository.get_issue(told.issue.number).get_events().reversed, _NEWEST)
            event = next((event for event in newest if _did(event, told)), None)
            return Happened(f"{url} event {event.id}", event.created_at) if event is not None else None

        happened = await self._access.ask(url, f"reading what was done to issue {told.issue.number}", ask)
        if happened is None:
            raise Unconfirmed(f"GitHub does not say that {told.by.login} did that", may_come=True)
        return happened

    async def says(self, url: str, issue: Issue) -> Issue:
        """That an issue says what was delivered, which is what people saw who asked. Returns it as it is now."""
        now = await self._read(url, f"issues/{issue.number}", Issue)
        if now is None:
            raise Unconfirmed("the issue is not there any more", may_come=True)
        if (now.pull_request is None) != (issue.pull_request is None):
            raise Unconfirmed("GitHub says that this is no issue, or that it is one")
        if (now.title, now.body or "") != (issue.title, issue.body or ""):
            raise Unconfirmed("the issue was rewritten after this was asked: read it, and ask again", is_told=True)
        return now

    async def ended(self, url: str, told: CiEnded) -> CiEnded:
        """That it ended so on that commit, and was not started again since. Returns it in GitHub's own words."""
        kind = "check-suites" if told.is_suite else "actions/runs"
        now = await self._read(url, f"{kind}/{told.run_id}", Run)
        if now is None:
            raise Unconfirmed("GitHub has no such run", may_come=True)
        if (now.head_sha, now.conclusion) != (told.commit, told.conclusion):
            raise Unconfirmed("GitHub says that it has not ended so: it was started again since, or never did")
        asked = await self._access.repository(url)
        there = Repository(id=asked.id, full_name=asked.full_name, default_branch=asked.default_branch)
        found = ended(now, there, now.maker if told.is_suite else now.name, is_suite=told.is_suite)
        if isinstance(found, Ignored):
            raise Unconfirmed(f"by what GitHub says, {found.reason}")
        if (found.branch, found.job) != (told.branch, told.job):
            raise Unconfirmed("GitHub says that it is of another branch, or has another name")
        return found

    async def _read(self, url: str, path: str, part: type[Read]) -> Read | None:
        def ask(repository: GitHubRepository) -> Read | None:
            try:
                _, told = repository.requester.requestJsonAndCheck("GET", f"{repository.url}/{quote(path)}")
            except UnknownObjectException:
                return None
            return part.model_validate(told)

        return await self._access.ask(url, f"reading {path}", ask)


def _same(now: User | None, told: User) -> bool:
    return now is not None and now.login.lower() == told.login.lower() and (not told.id or now.id == told.id)


def _did(event: IssueEvent, told: TaskWanted) -> bool:
    """Events of other kinds lack some of what is looked at, and PyGithub would ask for it."""
    if event.event != told.how:
        return False
    if told.how == "labeled":
        by, what = event.actor, event.label.name if event.label is not None else ""
    else:
        # `actor` is the one who was assigned, or the one who did it, by GitHub's version.
        by, what = event.assigner, event.assignee.login if event.assignee is not None else ""
    return by is not None and by.login.lower() == told.by.login.lower() and what.lower() == told.to.lower()
