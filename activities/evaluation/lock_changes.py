"""Which packages a patch brings: its lock files compared with base's, both read from git and never checked out."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from activities.environment.locks.package import LockedPackage, LockRefused
from activities.environment.locks.reading import parse_locks, pins_nothing
from activities.evaluation.changes import ABSENT, Change, ChangeReader
from activities.evaluation.manifest_changes import beyond_dependencies
from activities.repository.git import Git
from workflows.models.packages import MOST_PACKAGES
from workflows.models.policy import RegistryReach, TaskPolicy

_FILES = ("100644", "100755")
_PURPOSE = "reading lock files"
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class LockChanges:
    """What a patch does to the files that the set-up names."""

    changes: tuple[Change, ...] = ()
    brought: tuple[LockedPackage, ...] = ()
    """Packages that base has not, or has with other files."""
    refused: str = ""
    """Why what they bring can't be told, or can't be allowed by anybody."""
    broken: str = ""
    """Why nothing can be installed from them, though it could from base's: the agent can mend that."""


class LockReader:
    """Compares them."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._reader = ChangeReader(git)

    async def compare(self, git_dir: Path, base: str, head: str, policy: TaskPolicy) -> LockChanges:
        """Raises GitError."""
        named = policy.setup.lock_files
        if not named or not policy.setup.commands:
            return LockChanges()
        changes = tuple(change for change in await self._reader.changes(git_dir, base, head) if change.path in named)
        if not changes:
            return LockChanges()
        for change in changes:
            if change.new_mode not in _FILES:
                what = "was deleted" if change.new_mode == ABSENT else "is no plain file any more"
                return LockChanges(changes, refused=f"{change.path} {what}")
            if change.new_size > _MOST_BYTES:
                return LockChanges(changes, refused=f"{change.path} is larger than {_MOST_BYTES:,} bytes")
        unchanged = await self._contents(
            git_dir, base, [name for name in named if name not in {c.path for c in changes}]
        )
        old = {change.path: await self._blob(git_dir, change.old_blob) for change in changes if not change.is_added}
        new = {change.path: await self._blob(git_dir, change.new_blob) for change in changes}
        # Beside the event loop: a lock file of 64 MB takes seconds.
        return await asyncio.to_thread(_compared, changes, unchanged | old, unchanged | new, policy)

    async def _contents(self, git_dir: Path, commit: str, names: Sequence[str]) -> dict[str, bytes]:
        """Files of a commit that are there; the set-up says so itself where one is not."""
        found = {}
        for name in names:
            # Literal: ls-tree knows no patterns.
            listed = await self._git.run("ls-tree", "-z", commit, "--", name, purpose=_PURPOSE, git_dir=git_dir)
            mode, _, rest = listed.decode(errors="replace").partition(" ")
            if mode in _FILES:
                found[name] = await self._blob(git_dir, rest.split()[1])
        return found

    async def _blob(self, git_dir: Path, blob: str) -> bytes:
        return await self._git.run("cat-file", "blob", blob, purpose=_PURPOSE, git_dir=git_dir)


def _compared(
    changes: tuple[Change, ...], base: dict[str, bytes], head: dict[str, bytes], policy: TaskPolicy
) -> LockChanges:
    whole = policy.setup.registry is RegistryReach.WHOLE
    try:
        before = parse_locks(base)
    except LockRefused as refused:
        return LockChanges(changes, refused=str(refused))
    try:
        after = parse_locks(head)
    except LockRefused as refused:
        return LockChanges(changes, broken=str(refused))
    try:
        for path in (change.path for change in changes if pins_nothing(change.path)):
            if whole:
                return LockChanges(changes, refused=f"{path} was changed, from which a set-up may install anything")
            if reason := beyond_dependencies(path, base.get(path, b""), head[path]):
                return LockChanges(changes, refused=reason)
    except LockRefused as refused:
        return LockChanges(changes, refused=str(refused))
    if other := sorted(set(after.elsewhere) - set(before.elsewhere)):
        return LockChanges(changes, refused=f"nobody can allow by name what is of no registry: {other[0]}")
    known = {(one.ecosystem, one.name, one.version): one for one in before.packages}
    brought = tuple(
        one for one in after.packages if not _same(known.get((one.ecosystem, one.name, one.version)), one, whole)
    )
    if whole and (astray := [one for one in brought if not one.at_its_place]):
        return LockChanges(changes, refused=f"{astray[0].told} would be fetched from an address that is another's")
    return LockChanges(changes, brought, _refusal(brought, policy))


def not_allowed(brought: tuple[LockedPackage, ...], policy: TaskPolicy, answered: dict[str, str]) -> tuple[str, ...]:
    """Packages that neither policy nor a person has allowed, each once."""
    return tuple(
        dict.fromkeys(one.told for one in brought if one.told not in answered and not _matches(one, policy.packages))
    )


def _same(before: LockedPackage | None, after: LockedPackage, whole: bool) -> bool:
    """Whether what is installed stays: the same version by other hashes, or by none, is another package.

    Where the set-up reaches whole registries, its tools go to the address that the lock file has.
    """
    if before is None or bool(before.hashes) != bool(after.hashes) or (whole and before.resolved != after.resolved):
        return False
    return set(after.hashes) <= set(before.hashes)


def _refusal(brought: tuple[LockedPackage, ...], policy: TaskPolicy) -> str:
    ceiling = policy.packages_ceiling
    beyond = [one.told for one in brought if ceiling is not None and not _matches(one, ceiling)]
    if beyond:
        return f"`packages` in security.toml lets nobody bring {', '.join(beyond[:5])}"
    open_to_people = not_allowed(brought, policy, {})
    if len(open_to_people) > MOST_PACKAGES:
        return f"it brings {len(open_to_people)} packages, and people are asked about {MOST_PACKAGES} at most"
    return ""


def _matches(package: LockedPackage, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(package.name, pattern) for pattern in patterns)
