"""What a lock file pins."""

from enum import StrEnum

from workflows.models.base import Model

MOST_PACKAGES = 10_000
"""Of all lock files of a repository; the largest that are known have about half of that."""


class Ecosystem(StrEnum):
    """Where a package comes from."""

    PYPI = "pypi"
    NPM = "npm"


class LockedPackage(Model):
    """One package at one version."""

    ecosystem: Ecosystem
    name: str
    """As its ecosystem compares names: of PyPI's normalised (PEP 503)."""
    version: str
    hashes: tuple[str, ...] = ()
    """sha256 of PyPI's files in hexadecimal, or npm's integrity. Empty where the lock file names none."""
    resolved: str = ""
    """npm: the address in the lock file, which may be another registry's."""
    manifest: str = ""
    """npm: what the lock file says of it, as JSON."""

    @property
    def told(self) -> str:
        """For people and for patterns: `name@version`, as both ecosystems' tools print it."""
        return f"{self.name}@{self.version}"


class LockRefused(Exception):
    """A lock file can't be read; the message names the file, what is wrong, and what to do."""
