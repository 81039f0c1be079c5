"""Observations: what CI, a monitor or a person saw of base after a merge."""

from datetime import datetime

from pydantic import Field

from workflows.models.base import Model
from workflows.models.person import Person


class Observation(Model):
    """One named signal about one commit of a base branch."""

    repository: str = Field(min_length=1, max_length=4096)
    """Its address."""
    commit: str = Field(pattern=r"^[0-9a-f]{40,64}$")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/ -]{0,79}$")
    """Such as `ci` or `error-rate`."""
    good: bool
    detail: str = Field(default="", max_length=2000)
    link: str = Field(default="", max_length=2000)
    person: Person
    """Who said so, as the gateway knew them."""
    observed_at: datetime


class SignedObservation(Model):
    """An observation with the gateway's Ed25519 signature over its canonical JSON."""

    observation: Observation
    key_id: str
    signature: str
    """Base64."""
