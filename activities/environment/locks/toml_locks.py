"""Lock files of Python's project tools: uv, Poetry, PDM, Pipenv, and the standard's own `pylock.toml` (PEP 751)."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

from packaging.pylock import Pylock, PylockValidationError

from activities.environment.locks.package import Elsewhere, Locked, LockedPackage, LockRefused, pypi_package

_ELSEWHERE = ("git", "url", "path", "directory", "editable", "virtual", "file")
"""Kinds of source that are no registry: nothing is fetched for them from one."""


def read_packages_table(name: str, text: str) -> Iterator[Locked]:
    """`[[package]]` tables, as uv, Poetry and PDM write them."""
    for entry in _list(name, _toml(name, text).get("package", [])):
        source = entry.get("source", {})
        if isinstance(source, dict) and (source.get("type") in _ELSEWHERE or any(key in source for key in _ELSEWHERE)):
            yield _elsewhere(name, entry, ("name", "source"))
            continue
        if any(key in entry for key in ("git", "path", "url")):
            yield _elsewhere(name, entry, ("name", "git", "path", "url", "ref", "revision", "subdirectory"))
            continue
        files = [*_list(name, entry.get("files", [])), *_list(name, entry.get("wheels", []))]
        if isinstance(entry.get("sdist"), dict):
            files.append(entry["sdist"])
        yield _package(name, entry, [file.get("hash", "") for file in files])


def read_pylock(name: str, text: str) -> Iterator[Locked]:
    """The standard's own form."""
    try:
        lock = Pylock.from_dict(_toml(name, text))
    except PylockValidationError as error:
        raise LockRefused(f"{name} can't be read: {str(error)[:200]}") from error
    for package in lock.packages:
        if package.vcs or package.directory or package.archive:
            yield Elsewhere.of(name, [package.name, package.vcs, package.directory, package.archive])
            continue
        files = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
        hashes = [f"sha256:{file.hashes['sha256']}" for file in files if "sha256" in file.hashes]
        yield _package(name, {"name": package.name, "version": str(package.version or "")}, hashes)


def read_pipfile_lock(name: str, text: str) -> Iterator[Locked]:
    """Pipenv's, which is JSON."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LockRefused(f"{name} can't be read: it is not JSON") from error
    for group in ("default", "develop"):
        section = document.get(group, {}) if isinstance(document, dict) else None
        if not isinstance(section, dict):
            raise LockRefused(f"{name} can't be read: it is no lock file of Pipenv's")
        for key, entry in section.items():
            if not isinstance(entry, dict):
                raise LockRefused(f"{name} can't be read: {key[:80]!r} is no package")
            if any(kind in entry for kind in _ELSEWHERE):
                yield _elsewhere(name, {"name": key, **entry}, ("name", *_ELSEWHERE, "ref", "subdirectory"))
            else:
                version = str(entry.get("version", "")).removeprefix("==")
                yield _package(name, {"name": key, "version": version}, entry.get("hashes", []))


def _package(lock: str, entry: dict[str, Any], hashes: object) -> LockedPackage:
    name, version = entry.get("name"), entry.get("version")
    if not (isinstance(name, str) and isinstance(version, str) and name and version and isinstance(hashes, list)):
        raise LockRefused(f"{lock} can't be read: a package has no name, or no version")
    found = {text[7:].lower() for text in hashes if isinstance(text, str) and text.startswith("sha256:")}
    return pypi_package(lock, name, version, tuple(sorted(found)))


def _elsewhere(lock: str, entry: dict[str, Any], keys: tuple[str, ...]) -> Elsewhere:
    return Elsewhere.of(lock, {key: entry[key] for key in keys if key in entry})


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LockRefused(f"{name} can't be read: it is not TOML ({str(error)[:200]})") from error


def _list(name: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise LockRefused(f"{name} can't be read: it is no lock file of this form")
    return value
