"""`package-lock.json` and `npm-shrinkwrap.json`, versions 2 and 3."""

import json
import re
from collections.abc import Iterator
from typing import Any

from activities.environment.locks.package import Ecosystem, Elsewhere, Locked, LockedPackage, LockRefused

_NAME = re.compile(r"(@[A-Za-z0-9~_.-]{1,100}/)?[A-Za-z0-9~_.-]{1,214}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,200}")
_TOLD = (
    *("dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta"),
    *("bin", "engines", "os", "cpu", "libc", "hasInstallScript", "deprecated", "funding", "license"),
)
"""What a lock file repeats of a package's own description."""


def read_package_lock(name: str, text: str) -> Iterator[Locked]:
    """Every package that npm fetches, and whatever else it gets from afar. Raises LockRefused.

    A package that is said to be in another's bundle counts too: npm takes the lock file's word for that only if the
    other one depends on it, and fetches it otherwise.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LockRefused(f"{name} can't be read: it is not JSON") from error
    packages = document.get("packages") if isinstance(document, dict) else None
    if not isinstance(packages, dict) or _is_older(document):
        raise LockRefused(f"{name} is of version 1, or of none that is known: write it anew with npm 7 or later")
    for place, entry in packages.items():
        if not isinstance(entry, dict):
            raise LockRefused(f"{name} can't be read: {place[:80]!r} is no package")
        if "node_modules/" not in place or entry.get("link") is True:
            continue
        resolved = entry.get("resolved", "")
        if isinstance(resolved, str) and resolved and not resolved.startswith(("https://", "http://")):
            yield Elsewhere.of(name, [place, resolved])
            continue
        yield _package(name, place, entry)


def _is_older(document: dict[str, Any]) -> bool:
    """Whether npm reads another part of the file than `packages`."""
    version = document.get("lockfileVersion")
    return (
        version not in (2, 3) or isinstance(version, bool) or ("dependencies" in document and not document["packages"])
    )


def _package(lock: str, place: str, entry: dict[str, Any]) -> LockedPackage:
    name = entry.get("name") or place.rpartition("node_modules/")[2]
    version, resolved, integrity = entry.get("version"), entry.get("resolved", ""), entry.get("integrity", "")
    texts = all(isinstance(value, str) for value in (name, version, resolved, integrity))
    if not texts or not _NAME.fullmatch(name) or not _VERSION.fullmatch(str(version)) or not _is_path(name):
        raise LockRefused(f"{lock} can't be read: {place[:80]!r} has no proper name, version or address")
    return LockedPackage(
        ecosystem=Ecosystem.NPM,
        name=name,
        version=str(version),
        hashes=(integrity,) if integrity else (),
        resolved=resolved,
        manifest=json.dumps({key: entry[key] for key in _TOLD if key in entry}, sort_keys=True),
    )


def _is_path(name: str) -> bool:
    """Whether each part of the name is one of a path too."""
    return not any(part.strip(".") == "" for part in name.split("/")) and ".." not in name
