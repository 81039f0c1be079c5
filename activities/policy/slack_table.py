"""Slack, where people ask for work and decide about it: the `[slack]` table of journeyman.toml."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from activities.policy.agent_tables import KeySource
from activities.policy.document import Document
from activities.policy.reminder_table import ReminderTable
from activities.policy.web_address import ListensAt, WebAddress

_CHANNEL = r"^[CGD][A-Z0-9]{2,20}$"
_GROUP = r"^S[A-Z0-9]{2,20}$"


class SlackTable(Document):
    """One workspace of Slack: `[slack]`. Left out, nobody is heard there."""

    api: WebAddress = "https://slack.com/api/"
    """Where its Web API is."""
    bot_token: KeySource
    """Of the App in this workspace (`xoxb-…`), with the scopes of infra/slack/manifest.yaml."""
    address: ListensAt | None = None
    """Where the gateway listens for Slack, such as `127.0.0.1:8787`, behind what speaks TLS; others may share it. Left
    out, it asks Slack for a connection instead. Counts from its next start."""
    signing_secrets: Annotated[tuple[Path, ...], Field(max_length=4)] = ()
    """Files, each with one secret that Slack signs with and nothing else; several while one replaces another."""
    app_token: KeySource | None = None
    """Instead of an address, for who has none that is public: a token (`xapp-…`) for Socket Mode."""
    groups: tuple[Annotated[str, Field(pattern=_GROUP)], ...] = ()
    """User groups: only their members may command; left out, whoever `[people]` names may."""
    repositories: tuple[str, ...] = ()
    """Which people can choose from, each as `run --repo` takes it."""
    channels: dict[Annotated[str, Field(pattern=_CHANNEL)], str] = {}
    """By a channel's id, the repository that is meant there where none is named."""

    notify: bool = True
    """Whether a message in its thread names those whom a task waits for, once for each wait, and at its end who asked
    for it: Slack notifies nobody of a message that is written again."""
    reminders: ReminderTable | None = None
    revert_days: float = Field(default=14, ge=0, le=365)
    """How long after a merge the message about its task has the button that takes it back; the command always can."""

    @model_validator(mode="after")
    def _hears_somehow(self) -> "SlackTable":
        if (self.address is None) == (self.app_token is None):
            raise ValueError("give an `address` to listen at, or an `app_token` for Socket Mode")
        if self.address is not None and not self.signing_secrets:
            raise ValueError("an `address` needs `signing_secrets`: files with the App's signing secret")
        return self
