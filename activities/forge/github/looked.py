"""One thing that was looked at on GitHub: whether it is right, and how it is mended if not."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from activities.forge.github.failed import GitHubRefused, GitHubUnavailable

AGAIN = "as the line says; then run this again"
_LEVELS = ("none", "read", "write", "admin")


@dataclass(frozen=True)
class Looked:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


Steps = Iterator[Looked]


def look(name: str, steps: Callable[[], Steps], mend: str = AGAIN) -> Steps:
    """What is found; what can't be looked at is told, and how that is mended if GitHub refuses it."""
    try:
        yield from steps()
    except GitHubRefused as refused:
        yield Looked(name, False, str(refused), mend)
    except GitHubUnavailable as away:
        yield Looked(name, False, str(away), AGAIN)


def lacking(granted: Mapping[str, str], needed: Mapping[str, str]) -> str:
    """Which permissions are missing, in words; empty if none is."""
    found = [f"{name}: {level}" for name, level in needed.items() if not grants(granted, name, level)]
    return f"lacks {', '.join(found)}" if found else ""


def grants(granted: Mapping[str, str], name: str, level: str) -> bool:
    """Whether a permission is granted at a level, or above."""
    held = granted.get(name, "none")
    return held in _LEVELS and _LEVELS.index(held) >= _LEVELS.index(level)
