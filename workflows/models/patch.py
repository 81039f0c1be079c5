"""Patches: the one thing that crosses back from a sandbox, as a git tree and the commit made of it."""

from pydantic import Field

from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model
from workflows.models.limits import MIB

_CONFLICTS_NAMED = 5


class LeftOutPath(Model):
    """A file, or a directory with more files than are taken, that did not come back with the rest."""

    path: str
    bytes: int = Field(default=0, ge=0)
    files: int = Field(default=1, ge=1)


class LeftOut(Model):
    """What of a workspace is not in its patch, since it is more than a patch may have."""

    named: tuple[LeftOutPath, ...] = Field(default=(), max_length=20)
    """Directories first, then the largest files."""
    files: int = Field(default=0, ge=0)
    bytes: int = Field(default=0, ge=0)

    def __str__(self) -> str:
        """In words, for people and agents: `dump.bin (2.0 GiB) and 3 more`."""
        named = [f"{each.path} ({_size(each)})" for each in self.named]
        more = self.files - sum(each.files for each in self.named)
        return ", ".join(named) + (f" and {more} more files" if more > 0 else "")


def _size(one: LeftOutPath) -> str:
    size = f"{one.bytes / MIB:.0f} MiB"
    return f"{one.files} files, {size}" if one.files > 1 else size


class Patch(Model):
    """What an agent's work amounts to, relative to base."""

    base_commit: str
    tree: str
    """Git tree written by the git sandbox."""
    head: str
    """The commit the host made of the tree on the task's branch."""
    bundle: ArtifactRef
    """Git bundle with head, needing base_commit; any host can continue from it."""
    diff: ArtifactRef
    """Unified diff base..head for people."""
    diff_sha256: str
    """Hash of the diff without its base: equal when a rebased patch is byte-identical."""
    files: int = 0
    added: int = 0
    removed: int = 0
    left_out: LeftOut = LeftOut()
    """What the workspace had beside it."""


class Conflict(Model):
    """A patch that can't be laid onto base as it is now."""

    patch: Patch
    paths: tuple[str, ...]
    """Where the two differ; of very many the first."""

    def __str__(self) -> str:
        """The paths in words, for people."""
        more = len(self.paths) - _CONFLICTS_NAMED
        return ", ".join(self.paths[:_CONFLICTS_NAMED]) + (f" and {more} more" if more > 0 else "")


class ExportResult(Model):
    """Either a patch, or why there is none."""

    patch: Patch | None = None
    empty: bool = False
    """Nothing that git would track was changed."""
    refused: str = ""
    """What about the tree was refused, with its path, and what to do."""
