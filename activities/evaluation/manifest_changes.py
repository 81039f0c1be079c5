"""Changes of a set-up's files that pin nothing: what of them may be taken over with the lock file beside them.

Such a file says what is done: it names scripts, build steps, registries. A set-up that takes one over from a patch runs
what the patch wrote, before anybody looked at it, so only lists of dependencies may differ. Those bring nothing: what
can be had is what the lock files pin.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

_JSON_LISTS = (
    *("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta"),
    *("overrides", "version"),
)
_LISTS: Mapping[str, tuple[Callable[[str], Any], tuple[tuple[str, ...], ...]]] = {
    "package.json": (json.loads, tuple((key,) for key in _JSON_LISTS)),
    "Pipfile": (tomllib.loads, (("packages",), ("dev-packages",))),
    "pyproject.toml": (
        tomllib.loads,
        (
            *(("project", key) for key in ("dependencies", "optional-dependencies", "version")),
            *(("tool", "poetry", key) for key in ("dependencies", "dev-dependencies", "group", "version")),
            ("tool", "pdm", "dev-dependencies"),
            ("dependency-groups",),
        ),
    ),
}
"""By a file's name: how it is read, and where its lists of dependencies are."""
_PLAIN = (".python-version", ".nvmrc")
_NOTHING = object()


def beyond_dependencies(path: str, old: bytes, new: bytes) -> str:
    """What else a change of such a file does, in words; empty if it is nothing."""
    name = PurePosixPath(path).name
    if name in _PLAIN or name.endswith(".in"):
        return ""
    if name not in _LISTS:
        return f"{path} decides what a set-up does, and can't be told apart from what it brings"
    read, lists = _LISTS[name]
    try:
        before, after = read(old.decode()), read(new.decode())
        for place in lists:
            _without(before, place)
            _without(after, place)
        same = before is not _NOTHING and before == after
    except (ValueError, RecursionError):
        return f"{path} can't be read, on base or as it was changed"
    return "" if same else f"{path} was changed beyond its lists of dependencies, and that decides what a set-up does"


def _without(document: Any, place: tuple[str, ...]) -> None:
    """Take the list at a place out of a document, with the tables that are empty without it."""
    if not isinstance(document, dict) or place[0] not in document:
        return
    if len(place) > 1:
        _without(document[place[0]], place[1:])
    if len(place) == 1 or document[place[0]] == {}:
        del document[place[0]]
