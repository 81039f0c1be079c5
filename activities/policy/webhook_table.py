"""How GitHub's webhooks come in, and what they may begin: the `[github.webhooks]` table of journeyman.toml."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from activities.policy.document import Document

_ADDRESS = r"^(\[[0-9A-Fa-f:]+\]|[^\[\]:/\s]+):\d{1,5}$"
_ACCOUNT = r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$"
_TEAM = r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_-]{1,100}$"


class WebhookTable(Document):
    """GitHub as trigger: `[github.webhooks]`. Left out, no port is opened."""

    address: Annotated[str, Field(pattern=_ADDRESS)]
    """Where the gateway listens for GitHub, such as `127.0.0.1:8787`, behind what speaks TLS. Counts from its next
    start."""
    secrets: Annotated[tuple[Path, ...], Field(min_length=1, max_length=4)]
    """Files, each with one secret that GitHub signs with and nothing else; several while one replaces another. Read
    again for every delivery."""
    accounts: tuple[Annotated[str, Field(pattern=_ACCOUNT)], ...] = ()
    """Such as `acme`: only what happens in repositories of these is heard; left out, in every one that has the App.
    Name yours if anybody may install it."""
    label: str = Field(default="journeyman", max_length=50)
    """An issue that somebody who may labels so becomes a task; empty is none."""
    assignee: str = Field(default="", max_length=39)
    """An issue that is assigned to this account becomes one, too; left out, there is no such account."""
    teams: tuple[Annotated[str, Field(pattern=_TEAM)], ...] = ()
    """Such as `acme/payments`: only members of these may command, and need write access as well; left out, that alone
    is needed."""
    mend_base: bool = False
    """Whether a workflow of GitHub's that turns red on the default branch becomes a task."""
    mend_proposals: int = Field(default=0, ge=0, le=10)
    """How often a task whose pull request turns red in GitHub's CI is sent back to its agent by itself."""
    wait_hours: float = Field(default=24, gt=0, le=24 * 7)
    """How long words for an agent that is at work are kept until it can take them."""
    sweep_minutes: float = Field(default=5, gt=0, le=24 * 60)
    """How often GitHub is asked for deliveries that failed, to ask for them again; only for an App. Counts from the
    gateway's next start."""
