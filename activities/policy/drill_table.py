"""Where and how often reverts are tried: the `[drill]` table of journeyman.toml."""

from pathlib import Path

from pydantic import Field, field_validator

from activities.policy.document import Document


class DrillTable(Document):
    """A repository that is there for drills alone: `[drill]`. Left out, nothing is tried."""

    repository: str = Field(min_length=1, max_length=4096)
    """Full path of the canary repository; its base has a file `.journeyman/canary`, else nothing is merged there."""
    base: str = Field(default="main", min_length=1, max_length=255)
    """Branch that a change is merged into and taken back from."""
    every_hours: float = Field(default=24, ge=0, le=24 * 31)
    """How often; 0 is only by `journeyman drill`. Changed while workers run, it counts from their next start."""

    @field_validator("repository")
    @classmethod
    def _full_path(cls, repository: str) -> str:
        path = Path(repository)
        if not path.is_absolute():
            raise ValueError(f"{repository!r} is not the full path of a repository on this machine")
        return str(path)
