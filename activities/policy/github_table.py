"""Which GitHub repositories are on, and as whom they are worked in: the `[github]` table of journeyman.toml."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from activities.policy.agent_tables import KeySource
from activities.policy.document import Document
from activities.policy.webhook_table import WebhookTable
from workflows.models.policy import PolicyRefusal
from workflows.models.task import GITHUB_SHORT, Repository

FORGE = "github"
"""Name of this forge in tasks."""

GITHUB_COM = "https://github.com"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_ADDRESS = r"^https?://[^/?#@\s]+(/[^?#@\s]*[^/?#@\s])?$"


class OwnApp(Document):
    """A GitHub App that does one thing alone."""

    app_id: int = Field(gt=0)
    """Of that App."""
    private_key: Path
    """A file with its private key, as GitHub gives it (PEM)."""


class RevertApp(OwnApp):
    """A GitHub App of its own for taking merges back: `[github.reverts]`. It alone may pass what protects base."""


class ReviewApp(OwnApp):
    """A GitHub App of its own that reviews what is approved here: `[github.reviews]`. Nobody reviews their own work."""


class GitHubTable(Document):
    """GitHub as a forge: `[github]`. Left out, there is none."""

    web: Annotated[str, Field(pattern=_ADDRESS)] = GITHUB_COM
    """Where repositories are cloned from; a GitHub Enterprise server has its own."""
    api: Annotated[str, Field(pattern=rf"{_ADDRESS}|^$")] = ""
    """Where its REST interface is; left out, that of github.com, or `/api/v3` below `web`."""
    app_id: int | None = Field(default=None, gt=0)
    """Of the GitHub App as which everything is done; its installation is found by the repository."""
    private_key: Path | None = None
    """A file with the App's private key, as GitHub gives it (PEM); read again when it changes."""
    token: KeySource | None = None
    """Instead of an App, for a small team: a token of a user for this alone. Who approves must be somebody else."""
    reverts: RevertApp | None = None
    """The App that pushes reverts onto base; left out, the one that does everything else."""
    reviews: ReviewApp | None = None
    """The App that approves on GitHub what is approved here, where base demands a review; left out, none does."""
    merge_method: Literal["merge", "squash", "rebase"] = "merge"
    """How pull requests are merged; one that the repository allows is taken if it does not allow this."""
    webhooks: WebhookTable | None = None

    @model_validator(mode="after")
    def _either_app_or_token(self) -> "GitHubTable":
        if (self.app_id is None) != (self.private_key is None):
            raise ValueError("an App needs both `app_id` and `private_key`")
        for address in (self.web, self.api):
            if address.startswith("http://") and urlsplit(address).hostname not in {"127.0.0.1", "::1", "localhost"}:
                raise ValueError(f"{address!r} would carry credentials in the clear: https, except on this machine")
        if (self.app_id is None) == (self.token is None):
            raise ValueError("give an App (`app_id` and `private_key`) or a `token`")
        if self.reviews is not None and self.reviews.app_id == self.app_id:
            raise ValueError("`reviews` has to be another App: GitHub lets none approve what it has proposed")
        return self

    @property
    def reverting(self) -> "GitHubTable":
        """The same GitHub as whoever pushes reverts asks it."""
        return self._as(self.reverts) if self.reverts is not None else self

    @property
    def reviewing(self) -> "GitHubTable | None":
        """The same GitHub as whoever reviews asks it; None where nobody does."""
        return self._as(self.reviews) if self.reviews is not None else None

    def _as(self, app: OwnApp) -> "GitHubTable":
        whose = {"app_id": app.app_id, "private_key": app.private_key, "token": None}
        return self.model_copy(update={**whose, "reverts": None, "reviews": None})

    @property
    def api_address(self) -> str:
        """The REST interface's address."""
        if self.api:
            return self.api
        return "https://api.github.com" if self.web == GITHUB_COM else f"{self.web}/api/v3"


def github_repository(table: GitHubTable | None, asked: str) -> Repository | None:
    """The repository that somebody typed, by `github:OWNER/NAME` or its address; None if it is not on this GitHub.

    In lower case, since GitHub makes no difference: one repository has one address, whatever is halted or trusted.
    Raises PolicyRefusal.
    """
    if asked.startswith(GITHUB_SHORT):
        if table is None:
            raise PolicyRefusal("no GitHub is configured: write [github] into journeyman.toml")
        name = asked.removeprefix(GITHUB_SHORT)
    elif table is not None and asked.lower().startswith(f"{table.web.lower()}/"):
        name = asked[len(table.web) + 1 :].removesuffix("/").removesuffix(".git")
    else:
        return None
    if not _NAME.fullmatch(name) or name.endswith((".git", "/.", "/..")):
        raise PolicyRefusal(f"{asked!r} names no repository on GitHub: give github:OWNER/NAME or its address")
    name = name.lower()
    return Repository(url=f"{table.web}/{name}", name=name, forge=FORGE)


def address(table: GitHubTable | None, asked: str) -> str:
    """The same as an address; what is not on this GitHub stays as it is. Raises PolicyRefusal."""
    found = github_repository(table, asked)
    return found.url if found is not None else asked
