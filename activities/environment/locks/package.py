"""What a lock file pins."""

import re
from enum import StrEnum

from packaging.utils import canonicalize_name

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


_PYPI_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,198}[A-Za-z0-9])?")
_PYPI_VERSION = re.compile(r"[A-Za-z0-9._+!-]{1,100}")


def pypi_package(lock: str, name: str, version: str, hashes: tuple[str, ...]) -> LockedPackage:
    """One of PyPI's, as a lock file has it. Raises LockRefused.

    Names and versions become paths, and words that people read and allow: so nothing but what the standard (PEP 508,
    PEP 440) knows goes into them.
    """
    if not _PYPI_NAME.fullmatch(name) or not _PYPI_VERSION.fullmatch(version):
        raise LockRefused(f"{lock} can't be read: {name[:80]!r} at {version[:80]!r} is no proper name and version")
    return LockedPackage(ecosystem=Ecosystem.PYPI, name=canonicalize_name(name), version=version, hashes=hashes)
