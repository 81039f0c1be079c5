"""Patches: the one thing that crosses back from a sandbox, as a git tree and the commit made of it."""

from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model


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


class ExportResult(Model):
    """Either a patch, or why there is none."""

    patch: Patch | None = None
    empty: bool = False
    """Nothing that git would track was changed."""
    refused: str = ""
    """What about the tree was refused, with its path, and what to do."""
