"""Who owns the paths of a patch, by base's CODEOWNERS file."""

from collections import defaultdict
from collections.abc import Iterable

from activities.evaluation.paths import shown
from activities.gate.owner_matching import NotMatched, names_of
from activities.policy.documents import PlatformPolicy
from workflows.models.gate import OwnedPaths

FILES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in this order; the first that is there counts."""
_MOST_BYTES = 256 * 1024
_MOST_LINE = 1000
_MOST_STARS = 8
"""Of one pattern: each becomes a part of a regular expression that can match in many ways."""
_MOST_SHOWN = 5


class OwnersUnreadable(Exception):
    """A CODEOWNERS file that can't be used; the message says what to mend."""


async def owned(text: bytes, changed: Iterable[str], platform: PlatformPolicy) -> tuple[OwnedPaths, ...]:
    """The changed paths that have owners, in groups of the same owners. Raises OwnersUnreadable.

    As on GitHub, the last line that fits a path counts, and one without names makes a path nobody's.
    """
    readable, paths = _readable(text), list(changed)
    try:
        found = await names_of(readable, paths)
    except NotMatched as error:
        raise OwnersUnreadable(f"CODEOWNERS {error}") from error
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, names in zip(paths, found, strict=True):
        if names:
            groups[names].append(shown(path))
    return tuple(
        OwnedPaths(names=names, persons=_persons(names, platform), paths=tuple(of_them[:_MOST_SHOWN]))
        for names, of_them in sorted(groups.items())
    )


def unreadable(error: OwnersUnreadable) -> tuple[OwnedPaths, ...]:
    """Owners that nobody can be, so that nothing is approved until the file is mended."""
    return (OwnedPaths(names=(str(error),), paths=("all paths",)),)


def _readable(text: bytes) -> str:
    if len(text) > _MOST_BYTES:
        raise OwnersUnreadable(f"CODEOWNERS has more than {_MOST_BYTES} bytes")
    # Without the mark that some editors put first, which would be a part of the first pattern.
    lines = text.decode("utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        pattern = line.split(maxsplit=1)[0] if line.strip() else ""
        if len(line) > _MOST_LINE or pattern.count("*") > _MOST_STARS:
            raise OwnersUnreadable(f"line {number} of CODEOWNERS is too long, or its pattern has too many stars")
    return "\n".join(lines)


def _persons(names: tuple[str, ...], platform: PlatformPolicy) -> tuple[str, ...]:
    """Ids of those behind accounts, teams and addresses, as far as the directory knows them."""
    found: set[str] = set()
    for name in names:
        bare = name.removeprefix("@")
        found |= set(platform.groups.get(bare, ()))
        found |= {
            person
            for person, entry in platform.people.items()
            if bare.lower() in {entry.github.lower(), entry.mail.lower()} and bare
        }
        if platform.profile == "local" and not platform.people and name.startswith("@"):
            # One machine without a directory: whoever has that name on it.
            found.add(bare.lower())
    return tuple(sorted(found))
