"""The manifest of a startup context: every source of the prompt, with its hash, size, age and trust."""

from datetime import datetime
from enum import StrEnum

from workflows.models.base import Model

SCHEMA_VERSION = 1


class Trust(StrEnum):
    """Who vouches for a source."""

    SYSTEM = "system"
    """Written by this program, from the combined policy."""
    BASE = "base"
    """On the base branch, so it went through review."""
    REQUESTER = "requester"
    """Written by an authenticated person who may ask for work, or by a reviewer."""
    UNTRUSTED = "untrusted"
    """Written by whoever could, or by code under test: to be read as data."""


class Source(Model):
    """One part of the prompt."""

    kind: str
    """Such as `goal`, `agents-file`, `commits`, `feedback`, `earlier-patch`, `plan`."""
    name: str
    """Path or address."""
    trust: Trust
    sha256: str
    """Of the whole source, also where only its beginning was used."""
    size: int
    """Bytes of the whole source."""
    used_characters: int
    truncated: bool = False
    changed_at: datetime | None = None
    age_days: int | None = None
    """From its last change to the time of gathering."""
    note: str = ""
    """Why it was left out, if it was."""


class Manifest(Model):
    """All of it, in the order of the prompt."""

    schema_version: int = SCHEMA_VERSION
    task_id: str
    round: int
    base_commit: str
    policy_hash: str
    gathered_at: datetime
    budget_characters: int
    prompt_sha256: str = ""
    prompt_characters: int = 0
    sources: tuple[Source, ...] = ()
