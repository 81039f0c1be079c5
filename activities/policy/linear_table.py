"""Linear, where work is planned: the `[linear]` table of journeyman.toml."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from activities.policy.agent_tables import KeySource
from activities.policy.document import Document
from activities.policy.web_address import ListensAt, WebAddress

_TEAM = r"^[A-Z][A-Z0-9]{0,9}$"


class LinearTable(Document):
    """One workspace of Linear: `[linear]`. Left out, nothing is read or written there."""

    api: WebAddress = "https://api.linear.app/graphql"
    """Its GraphQL interface."""
    token: KeySource
    """Of the App that acts there, as its own actor."""
    address: ListensAt | None = None
    """Where the gateway listens for Linear, behind what speaks TLS; others may share it. Left out, Linear is asked
    every `poll_seconds` instead. Counts from the gateway's next start."""
    secrets: Annotated[tuple[Path, ...], Field(max_length=4)] = ()
    """Files, each with one secret that Linear signs with and nothing else; several while one replaces another."""
    poll_seconds: float = Field(default=60, ge=5, le=3600)
    """How often Linear is asked where there is no `address`. Counts from the gateway's next start."""
    teams: Annotated[dict[Annotated[str, Field(pattern=_TEAM)], str], Field(min_length=1)]
    """By the key of a team, such as `ENG`, the repository that its issues are about, as `run --repo` takes it."""
    label: str = Field(default="journeyman", max_length=80)
    """An issue that somebody who may labels so becomes a task; empty is none."""

    @model_validator(mode="after")
    def _an_address_needs_secrets(self) -> "LinearTable":
        if self.address is not None and not self.secrets:
            raise ValueError("an `address` needs `secrets`: files with the webhook's signing secret")
        return self
