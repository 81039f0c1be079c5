"""What a lock file pins."""

import hashlib
import json
import re
from enum import StrEnum

from packaging.utils import canonicalize_name

from workflows.models.base import Model

MOST_PACKAGES = 10_000
"""Of all lock files of a repository; the largest that are known have about half of that."""


_TOLD = 200
"""Characters of something else's address that people are shown."""


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
        """For people, who allow it by that: `name@version`, of npm `npm:name@version`, since both can have a name."""
        return f"npm:{self.name}@{self.version}" if self.ecosystem is Ecosystem.NPM else f"{self.name}@{self.version}"

    @property
    def at_its_place(self) -> bool:
        """Whether the address in the lock file, if there is one, ends as a registry's file of this name does."""
        file = f"/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"
        return not self.resolved or self.resolved.endswith(file)


class Elsewhere(Model):
    """What a lock file names that is of no registry, such as a git repository, an archive, or another file."""

    told: str
    """For people, and to tell whether base has the same; of what the lock file says, all that decides where it is."""

    @classmethod
    def of(cls, lock: str, where: object) -> "Elsewhere":
        """What a lock file says of it, however long that is."""
        text = json.dumps(where, sort_keys=True, default=repr)
        if len(text) > _TOLD:
            text = f"{text[:_TOLD]}… ({hashlib.sha256(text.encode()).hexdigest()})"
        return cls(told=f"{text} in {lock}")


Locked = LockedPackage | Elsewhere


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
