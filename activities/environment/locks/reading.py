"""Which packages a repository's lock files pin: by each file's name, the reader of its form."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from activities.environment.checkout import read_lock_file
from activities.environment.locks import npm, requirements, toml_locks
from activities.environment.locks.package import MOST_PACKAGES, Elsewhere, Locked, LockedPackage, LockRefused

Reader = Callable[[str, str], Iterator[Locked]]

_READERS: tuple[tuple[str, Reader], ...] = (
    (r"package-lock\.json|npm-shrinkwrap\.json", npm.read_package_lock),
    (r"uv\.lock|poetry\.lock|pdm\.lock", toml_locks.read_packages_table),
    (r"pylock(\.[^.]+)?\.toml", toml_locks.read_pylock),
    (r"Pipfile\.lock", toml_locks.read_pipfile_lock),
    (r".*\.txt|.*requirements.*|.*constraints.*", requirements.read_requirements),
)
_NO_LOCKS = re.compile(r"package\.json|pyproject\.toml|setup\.(py|cfg)|Pipfile|\.npmrc|\.python-version|\.nvmrc|.*\.in")
"""Files that decide what is installed and pin nothing: part of what a layer is made from, and no packages in them."""


@dataclass(frozen=True)
class Locks:
    """What lock files name."""

    packages: tuple[LockedPackage, ...]
    """Of registries, each once, in order."""
    elsewhere: tuple[str, ...]
    """What is of no registry, in words, each once, in order."""


def locked_packages(source: Path, lock_files: Sequence[str]) -> tuple[LockedPackage, ...]:
    """What the lock files of a checkout pin, each package once, in order. Raises LockRefused, and SetupFailed for a
    file that can't be had.
    """
    texts = {name: read_lock_file(source, name) for name in lock_files}
    return parse_locks(texts).packages


def parse_locks(texts: dict[str, bytes]) -> Locks:
    """What lock files name whose content is known, by path. Raises LockRefused."""
    found: dict[tuple[str, str, str], LockedPackage] = {}
    elsewhere: dict[str, None] = {}
    for name, content in texts.items():
        reader = _reader(name)
        if reader is None:
            continue
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise LockRefused(f"{name} can't be read: it is not UTF-8") from error
        for package in reader(name, text):
            if isinstance(package, Elsewhere):
                elsewhere[package.told] = None
            else:
                key = (package.ecosystem, package.name, package.version)
                known = found.get(key, package)
                both = tuple(sorted({*known.hashes, *package.hashes}))
                found[key] = known.model_copy(update={"hashes": both})
            if len(found) + len(elsewhere) > MOST_PACKAGES:
                raise LockRefused(f"{name} can't be taken: there are more than {MOST_PACKAGES:,} packages")
    return Locks(tuple(found.values()), tuple(elsewhere))


def pins_nothing(path: str) -> bool:
    """Whether a file is part of a set-up and no lock file: it decides what is done, and names no exact packages."""
    return _reader(path) is None


def _reader(path: str) -> Reader | None:
    name = PurePosixPath(path).name
    if _NO_LOCKS.fullmatch(name):
        return None
    for pattern, reader in _READERS:
        if re.fullmatch(pattern, name):
            return reader
    if name.endswith(".lock") and not re.fullmatch(r"(yarn|Cargo|Gemfile|composer|mix|pubspec|flake|bun)\.lock", name):
        # `requirements.lock` and the like.
        return requirements.read_requirements
    raise LockRefused(
        f"{path} is of a form whose packages can't be read here; there are requirements files, uv.lock, poetry.lock, "
        "pdm.lock, Pipfile.lock, pylock.toml, package-lock.json and npm-shrinkwrap.json"
    )
