"""Packages that a patch brings by its lock files."""

from workflows.models.base import Model

MOST_PACKAGES = 200
"""About which people can be asked at once: more than that, nobody reads."""


class PackageChanges(Model):
    """What a patch changes about what is installed, and what of it is still to be allowed."""

    lock_files: tuple[str, ...] = ()
    """Changed files that the set-up names as its lock files."""
    brought: tuple[str, ...] = ()
    """Packages that base does not have like this, each `name@version`."""
    open: tuple[str, ...] = ()
    """Of these, the ones that neither policy nor a person has allowed."""
    refused: str = ""
    """Why nobody can allow them: a file that can't be read, a package beyond what security allows, or too many."""

    @property
    def askable(self) -> bool:
        """Whether a person can be asked."""
        return bool(self.open) and not self.refused
