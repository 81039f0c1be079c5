"""People, organizations and apps, and what they show to be let in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

LEVELS = ("none", "read", "triage", "write", "maintain", "admin")
"""What a collaborator may be, weakest first."""


def now() -> datetime:
    """To the second, as GitHub tells times."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(eq=False)
class Account:
    """A person, an organization, or the bot that an app acts as."""

    id: int
    login: str
    kind: Literal["User", "Organization", "Bot"] = "User"
    writes: bool = False
    """Of an App's bot: whether the App may write contents, without which its reviews count nothing."""


@dataclass(eq=False)
class App:
    """A GitHub App, known by its public key."""

    id: int
    slug: str
    owner: Account
    bot: Account
    public_key: str
    """PEM."""
    client_id: str
    permissions: dict[str, str]
    hook_url: str = ""
    hook_secret: str = ""


@dataclass(eq=False)
class Installation:
    """An app on an account, for all of its repositories or for those named."""

    id: int
    app: App
    account: Account
    permissions: dict[str, str]
    repositories: set[str] | None = None
    """Full names; None is all of the account."""
    suspended: datetime | None = None

    def has(self, full_name: str) -> bool:
        if self.repositories is None:
            return full_name.partition("/")[0].lower() == self.account.login.lower()
        return full_name.lower() in {name.lower() for name in self.repositories}


@dataclass(eq=False)
class Token:
    """What a caller shows: an installation's, for an hour, or a person's own."""

    value: str
    account: Account
    expires: datetime
    installation: Installation | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    repositories: set[str] | None = None
    """Full names, where fewer than the installation's were asked for."""


@dataclass(eq=False)
class Team:
    """Of an organization."""

    id: int
    organization: Account
    slug: str
    members: dict[str, str] = field(default_factory=dict)
    """Login to role: member or maintainer."""
