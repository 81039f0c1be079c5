"""References to what is stored in the archive; history carries these and never the bytes."""

from pydantic import Field

from workflows.models.base import Model


class ArtifactRef(Model):
    """One immutable blob in the archive, found by its content."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of the bytes, and their address in the archive."""
    size: int = Field(ge=0)
    """Bytes."""
    media_type: str = "application/octet-stream"
    name: str = ""
    """What a person would call it, such as `transcript.jsonl`."""
