"""Whether merges could be taken back cleanly: tried on this machine's copy of the repository, whichever forge it is on.

When something is merged it can be taken back cleanly by construction: base without it is the merge's first parent. What
changes that are later commits, so it is tried on base as it is when somebody looks.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from activities.decisions.attested import AttestedMerge
from activities.forge.local_repository import LocalRepository
from activities.forge.taking_back import NOTHING_LEFT, taken_back
from activities.repository.git import Git, GitError, RepositoryRefused
from activities.repository.mirror import Mirrors
from workflows.models.pull_request import RevertOutlook, RevertPreview

_PATIENCE = 30.0
"""Seconds for all that are tried together; a look at a task does not wait for a slow forge."""
_MOST_NAMED = 3
_WHEN = 0
"""Of the commits that are made to try it: the same again is the same object, so looking often fills no disk."""


class RevertPreviews:
    """Tries reverts without touching the repository."""

    def __init__(self, git: Git, mirrors: Mirrors) -> None:
        self._git = git
        self._mirrors = mirrors

    async def of(self, merges: Sequence[AttestedMerge]) -> tuple[RevertPreview, ...]:
        """What reverts would come to, made in this order: each on base without those before it."""
        found: list[RevertPreview] = []
        bases: dict[tuple[str, str], _Base | RevertPreview] = {}
        try:
            async with asyncio.timeout(_PATIENCE):
                for merge in merges:
                    key = (merge.repository, merge.base)
                    if key not in bases:
                        bases[key] = await self._base(*key)
                    base = bases[key]
                    found.append(base if isinstance(base, RevertPreview) else await base.without(merge))
        except TimeoutError:
            late = RevertPreview(outlook=RevertOutlook.UNKNOWN, detail=f"not known after {_PATIENCE:.0f} s")
            found += [late] * (len(merges) - len(found))
        now = datetime.now(UTC)
        return tuple(preview.model_copy(update={"tried_at": now}) for preview in found)

    async def _base(self, url: str, branch: str) -> "_Base | RevertPreview":
        try:
            mirror = await self._mirrors.refresh(url)
            tip = await self._mirrors.resolve(mirror, branch)
            worked_on = await self._worked_on(url, branch)
        except RepositoryRefused as refused:
            return RevertPreview(outlook=RevertOutlook.GONE, detail=str(refused))
        except (GitError, OSError) as error:
            return RevertPreview(outlook=RevertOutlook.UNKNOWN, detail=str(error))
        # What is made to try it is for the host alone, as whatever is in a vault.
        return _Base(LocalRepository(self._git, mirror.vault), tip, worked_on)

    async def _worked_on(self, url: str, branch: str) -> frozenset[bytes]:
        """Of a repository on this machine: what nobody has committed yet where the branch is checked out."""
        return await LocalRepository(self._git, Path(url)).uncommitted(branch) if url.startswith("/") else frozenset()


class _Base:
    """A base branch, as it would be after the reverts that were tried."""

    def __init__(self, place: LocalRepository, tip: str, worked_on: frozenset[bytes]) -> None:
        self._place = place
        self._worked_on = worked_on
        self._tip = tip
        self._tried = tip

    async def without(self, merge: AttestedMerge) -> RevertPreview:
        """Try one revert more."""
        place, tip = self._place, self._tip
        try:
            if not await place.contains(tip, merge.commit):
                detail = f"{merge.commit[:12]} is not on {merge.base} any more"
                return RevertPreview(outlook=RevertOutlook.GONE, base_commit=tip, detail=detail)
            done = await taken_back(place, merge.commit, tip)
            if done is not None and not done.unresolved:
                detail = f"by {done.commit[:12]}" + (f"; {done.told}" if done.told else "")
                return RevertPreview(outlook=RevertOutlook.TAKEN_BACK, base_commit=tip, detail=detail)
            tree, conflicts = await place.undo(merge.commit, self._tried)
            if conflicts:
                return RevertPreview(
                    outlook=RevertOutlook.CONFLICT,
                    base_commit=tip,
                    detail=done.what_to_do(merge.base) if done is not None else "",
                    conflicts=conflicts,
                    commits_in_the_way=await place.commits_touching(merge.commit, tip, conflicts),
                )
            if tree == await place.tree_of(self._tried):
                return RevertPreview(outlook=RevertOutlook.TAKEN_BACK, base_commit=tip, detail=NOTHING_LEFT)
            before, self._tried = self._tried, await place.commit(tree, (self._tried,), "Try it\n", when=_WHEN)
            in_the_way = self._worked_on & await place.changed(before, self._tried) if self._worked_on else frozenset()
        except GitError as error:
            return RevertPreview(outlook=RevertOutlook.UNKNOWN, base_commit=tip, detail=str(error))
        return RevertPreview(outlook=RevertOutlook.CLEAN, base_commit=tip, detail=_to_commit(in_the_way, merge.base))


def _to_commit(paths: frozenset[bytes], base: str) -> str:
    """What has to be done first where somebody works on these paths; nothing if nobody does."""
    if not paths:
        return ""
    named = ", ".join(path.decode("utf-8", "backslashreplace") for path in sorted(paths)[:_MOST_NAMED])
    return f"commit or stash first what somebody changed where {base} is checked out: {named}"
