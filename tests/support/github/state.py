"""What the stand-in remembers: accounts, apps, tokens, and repositories with all that hangs on them."""

import itertools
import json
import queue
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from tests.support.github.accounts import LEVELS, Account, App, Installation, Team, Token, now
from tests.support.github.bare_repository import BareRepository
from tests.support.github.protection import Protection

Json = dict[str, Any]
Method = Literal["merge", "squash", "rebase"]


@dataclass(eq=False)
class Comment:
    """On an issue or on a pull request's conversation."""

    id: int
    author: Account
    body: str
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass(eq=False)
class Review:
    """Of a pull request."""

    id: int
    author: Account
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"]
    body: str
    commit: str
    submitted: datetime = field(default_factory=now)
    lines: list[tuple[int, str, int, str]] = field(default_factory=list)
    """Id, path, line and words of each comment on a line."""


@dataclass(eq=False)
class Move:
    """Of a ref, by somebody."""

    id: int
    ref: str
    before: str | None
    after: str | None
    actor: Account | None
    forced: bool
    at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Label:
    """Of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(eq=False)
class IssueEvent:
    """What somebody did to an issue."""

    id: int
    kind: Literal["labeled", "assigned"]
    by: Account
    label: Label | None = None
    assignee: Account | None = None
    created: datetime = field(default_factory=now)


@dataclass(eq=False)
class Issue:
    """An issue, or what a pull request has of one."""

    id: int
    number: int
    author: Account
    title: str
    body: str | None
    state: Literal["open", "closed"] = "open"
    labels: list[Label] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    assignees: list[Account] = field(default_factory=list)
    events: list[IssueEvent] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    closed: datetime | None = None


@dataclass(eq=False)
class Pull(Issue):
    """A pull request from a branch of the same repository, or of a fork."""

    head: str = ""
    """Branch."""
    fork: "Repository | None" = None
    """Where the branch is, if not in the same repository."""
    head_sha: str = ""
    base: str = ""
    """Branch."""
    base_sha: str = ""
    """Of the base when the pull request was made, or when it was merged or closed."""
    draft: bool = False
    reviews: list[Review] = field(default_factory=list)
    reviewers: list[Account] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    merged: datetime | None = None
    merged_by: Account | None = None
    merge_commit: str | None = None
    test_merge: str | None = None
    """The merge that GitHub has tried, of a head and a base as they were. It is told as `merge_commit_sha` until
    there is a real one."""
    queued: datetime | None = None
    undecided_reads: int = 0
    """How many more times its mergeability is answered as not known yet."""


@dataclass(eq=False)
class CheckSuite:
    """All check runs of one app on one commit."""

    id: int
    app: App
    sha: str
    created: datetime = field(default_factory=now)


@dataclass(eq=False)
class CheckRun:
    """One check of an app on a commit."""

    id: int
    suite: CheckSuite
    name: str
    status: str = "queued"
    conclusion: str | None = None
    external_id: str = ""
    details_url: str | None = None
    output: Json = field(default_factory=dict)
    log: str = ""
    """Of a job of GitHub's own actions: its check run has the same id."""
    started: datetime = field(default_factory=now)
    completed: datetime | None = None


@dataclass(eq=False)
class Status:
    """One commit status."""

    id: int
    author: Account
    sha: str
    context: str
    state: str
    """error, failure, pending or success."""
    description: str | None = None
    target_url: str | None = None
    created: datetime = field(default_factory=now)


@dataclass(eq=False)
class Repository:
    """A repository: its bare git repository, its settings, and what people and apps made in it."""

    id: int
    owner: Account
    name: str
    git: BareRepository
    private: bool = True
    archived: bool = False
    fork: bool = False
    default_branch: str = "main"
    methods: set[Method] = field(default_factory=lambda: {"merge", "squash", "rebase"})
    """How pull requests may be merged."""
    auto_merge: bool = False
    delete_merged: bool = False
    """Whether a merge deletes the pull request's branch."""
    protections: dict[str, Protection] = field(default_factory=dict)
    """By branch."""
    collaborators: dict[str, str] = field(default_factory=dict)
    """Login to one of LEVELS."""
    issues: dict[int, Issue] = field(default_factory=dict)
    """By number; pull requests are among them."""
    labels: dict[str, Label] = field(default_factory=dict)
    pushers: dict[str, Account] = field(default_factory=dict)
    """Who moved each branch last."""
    activity: list[Move] = field(default_factory=list)
    """Every move of a ref, the oldest first."""
    suites: list[CheckSuite] = field(default_factory=list)
    checks: list[CheckRun] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    runs: dict[int, Json] = field(default_factory=dict)
    """Of workflows that have ended, by id, as they are told."""
    created: datetime = field(default_factory=now)
    pushed: datetime = field(default_factory=now)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def pulls(self) -> list[Pull]:
        return [issue for issue in self.issues.values() if isinstance(issue, Pull)]

    def head_owner(self, pull: Pull) -> Account:
        """Whose branch a pull request brings."""
        return self.owner if pull.fork is None else pull.fork.owner

    def base_of(self, pull: Pull) -> str:
        """The commit that a pull request is measured against: the base's newest while it is open."""
        tip = self.git.branch(pull.base) if pull.state == "open" else None
        return tip or pull.base_sha

    def level(self, account: Account) -> str:
        """What a person may do here."""
        return "admin" if account is self.owner else self.collaborators.get(account.login, "none")

    def may_write(self, account: Account) -> bool:
        return LEVELS.index(self.level(account)) >= LEVELS.index("write")


@dataclass(eq=False)
class Delivery:
    """One event as it is told to one app."""

    id: int
    guid: str
    """The same again when it is delivered again."""
    installation: Installation
    repository: Repository
    event: str
    action: str | None
    payload: Json
    at: datetime = field(default_factory=now)
    redelivery: bool = False
    status: str = "pending"
    """OK, or what went wrong."""
    status_code: int = 0
    duration: float = 0.0
    """Seconds."""
    headers: dict[str, str] = field(default_factory=dict)
    answered: str = ""

    @property
    def told(self) -> Json:
        """What it was answered, as JSON."""
        told: Json = json.loads(self.answered or "{}")
        return told


@dataclass
class State:
    """Everything, behind one lock. `folder` is where bare repositories are kept."""

    folder: Path
    api: str
    web: str
    lock: threading.RLock = field(default_factory=threading.RLock)
    accounts: dict[str, Account] = field(default_factory=dict)
    """By login in lower case."""
    apps: dict[int, App] = field(default_factory=dict)
    installations: dict[int, Installation] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    """By full name in lower case."""
    forks: dict[tuple[str, str], Repository] = field(default_factory=dict)
    """By the forking owner and the full name of what is forked, in lower case."""
    teams: list[Team] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    outbox: "queue.Queue[Delivery | None]" = field(default_factory=queue.Queue)
    held: list[Delivery] | None = None
    """What is not delivered yet, while deliveries are held back."""
    token_life: timedelta = timedelta(hours=1)
    undecided_reads: int = 0
    """How many reads of a new pull request's mergeability GitHub answers with `null`, for it computes that later."""
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1001))

    def new_id(self) -> int:
        """Ids are unique over all kinds."""
        return next(self._ids)

    def account(self, login: str, kind: Literal["User", "Organization", "Bot"] = "User") -> Account:
        """The account of that name, made if there is none."""
        found = self.accounts.get(login.lower())
        if found is None:
            found = self.accounts[login.lower()] = Account(self.new_id(), login, kind)
        return found


def node_id(kind: str, number: int) -> str:
    """The id by which GraphQL knows an object: unique over all kinds, and opaque to callers."""
    return f"{kind}_kwDO{number}"
