"""The parts of GitHub's payloads that mean something here; the rest is not looked at.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of a payload: what is not named here is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class User(Part):
    """An account."""

    login: str = Field(min_length=1, max_length=100)
    id: int = 0
    type: str = "User"

    @property
    def is_bot(self) -> bool:
        """Whether no person acts by it."""
        return self.type != "User" or self.login.endswith("[bot]")


class Repository(Part):
    """Where it happened."""

    id: int
    full_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,60}/[A-Za-z0-9._-]{1,100}$")
    default_branch: str = Field(default="", max_length=300)


class Label(Part):
    """Of an issue."""

    name: str


class Issue(Part):
    """An issue, or what a pull request has of one."""

    number: int = Field(gt=0)
    title: str = ""
    body: str | None = None
    html_url: str = ""
    state: str = "open"
    updated_at: AwareDatetime | None = None
    pull_request: dict[str, object] | None = None


class Comment(Part):
    """On an issue, or on a line of a pull request."""

    id: int
    body: str | None = None
    html_url: str = ""
    created_at: AwareDatetime | None = None
    path: str = ""
    line: int | None = None

    @property
    def place(self) -> str:
        """Of the line that it is on: file and line."""
        return f"{self.path}:{self.line}" if self.line else self.path


class PullBranch(Part):
    """A side of a pull request; its repository is gone if it was a fork that was deleted."""

    ref: str = Field(max_length=300)
    sha: str = ""
    repo: Repository | None = None


class Pull(Part):
    """A pull request."""

    number: int = Field(gt=0)
    head: PullBranch
    merged: bool = False


class Review(Part):
    """Of a pull request."""

    id: int
    user: User | None = None
    state: str = Field(max_length=60)


class Run(Part):
    """A run of a workflow of GitHub's, or a suite of an app's checks."""

    id: int = 0
    name: str | None = None
    head_branch: str | None = None
    head_sha: str = Field(pattern=r"^[0-9a-f]{40,64}$")
    event: str = ""
    conclusion: str | None = Field(default=None, max_length=60)
    html_url: str = Field(default="", max_length=2000)
    head_repository: Repository | None = None
    app: "App | None" = None

    @property
    def maker(self) -> str | None:
        """Whose checks a suite is of, by name."""
        return (self.app.slug or self.app.name) if self.app is not None else None


class App(Part):
    """Whose checks a suite is of."""

    slug: str | None = None
    name: str = ""


class Payload(Part):
    """A delivery's body, of any event."""

    action: str = Field(default="", max_length=60)
    repository: Repository | None = None
    sender: User | None = None
    issue: Issue | None = None
    label: Label | None = None
    assignee: User | None = None
    comment: Comment | None = None
    pull_request: Pull | None = None
    review: Review | None = None
    workflow_run: Run | None = None
    check_suite: Run | None = None
    changes: dict[str, object] = {}
    """Of what was edited: what it was before."""
