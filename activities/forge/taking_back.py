"""Which commit of a history took a merge back, if one did, and what the merge brought has not come back since.

A commit says so by a trailer. It counts only if it left no conflict markers: the revert that waits for a person as a
pull request has them, and whoever merges it as it is has taken nothing back. Markers are told from lines that only
look like them (a heading underlined with seven `=`) by what was there before: such a line counts if neither base
before the revert nor what the merge was made onto has it. Whoever can push a commit with that trailer to base could
also change base itself, and no agent writes a commit's message, so nobody gains by forging one.
"""

import os
from collections import Counter
from dataclasses import dataclass

from activities.forge.local_repository import LocalRepository

REVERTS = "Journeyman-Reverts"
"""Trailer of a revert commit: the merge that it takes back."""
NOTHING_LEFT = "base has nothing of it any more, though no commit says that it took it back"
_MARKER = r"^([<]{7,}|[|]{7,}|[=]{7,}|[>]{7,})([[:space:]]|$)"
"""As git's `diff --check` knows them; longer ones by the attribute conflict-marker-size."""
_MOST_PATHS = 1000
"""That are named to git; of more, all are searched."""
_MOST_NAMED = 5
_MOST_LOOKS = 50
"""At later commits of base which may have resolved what was left."""


@dataclass(frozen=True)
class TakenBack:
    """A commit that says that it took a merge back."""

    commit: str
    unresolved: tuple[str, ...] = ()
    """Paths that have its conflict markers on base; the merge is not taken back while there are any."""
    again: tuple[str, ...] = ()
    """Later commits that brought the same change by themselves, each as `sha author: subject`."""

    @property
    def told(self) -> str:
        """Of one that took the merge back: what else there is to know."""
        if not self.again:
            return ""
        return f"base has the same change from later work, which is taken back by itself: {'; '.join(self.again[:3])}"

    def what_to_do(self, base: str) -> str:
        """Of one that left markers."""
        more = len(self.unresolved) - _MOST_NAMED
        paths = ", ".join(self.unresolved[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"{self.commit[:12]} was merged with its conflict markers left in {paths}: resolve them on {base}"


async def taken_back(place: LocalRepository, merge_commit: str, tip: str) -> TakenBack | None:
    """What took a merge back, if anything says that it did: the last that did before one that left markers."""
    left: TakenBack | None = None
    done: TakenBack | None = None
    before = ""
    for commit, parent in await _claims(place, merge_commit, tip):
        # Of a second try on top of markers, the first one's are no part of what was there before.
        before = before or parent
        unresolved = await _unresolved(place, merge_commit, commit, before, tip)
        if not unresolved and not await _is_back(place, merge_commit, commit):
            # Anybody may write a trailer.
            continue
        left = TakenBack(commit, unresolved)
        done = done if unresolved else left
    if done is None:
        return left
    if await _is_back(place, merge_commit, tip):
        return done
    if await _is_named_later(place, done.commit, tip):
        # Whoever took the revert back named it, as git and GitHub do.
        return None
    return TakenBack(done.commit, again=await _brought_again(place, merge_commit, done.commit, tip))


async def _is_back(place: LocalRepository, merge_commit: str, tip: str) -> bool:
    """Whether a history has nothing of the merge. Where later work is in the way of telling, the trailer counts."""
    tree, conflicts = await place.undo(merge_commit, tip)
    return bool(conflicts) or tree == await place.tree_of(tip)


async def _is_named_later(place: LocalRepository, commit: str, tip: str) -> bool:
    named = await place.run(
        *("log", "--max-count=1", "--format=%H", "--fixed-strings", f"--grep={commit}", f"{commit}..{tip}"),
        purpose="looking for who took the revert back",
    )
    return bool(named.strip())


async def _brought_again(place: LocalRepository, merge_commit: str, since: str, tip: str) -> tuple[str, ...]:
    tree, _ = await place.undo(merge_commit, tip)
    paths = await place.changed(tree, tip)
    names = tuple(path.decode("utf-8", "surrogateescape") for path in sorted(paths)[:_MOST_NAMED])
    return await place.commits_touching(since, tip, names)


async def _claims(place: LocalRepository, merge_commit: str, tip: str) -> list[tuple[str, str]]:
    """Commits that say so, each with its parent, the oldest first."""
    form = f"--format=%H|%P|%(trailers:key={REVERTS},valueonly,unfold,separator=%x20)"
    told = await place.run(
        *("log", "--reverse", "--topo-order", form, f"{merge_commit}..{tip}"), purpose="looking for the revert"
    )
    found: list[tuple[str, str]] = []
    for line in told.decode(errors="replace").split("\n"):
        commit, _, rest = line.partition("|")
        parents, _, reverted = rest.partition("|")
        if parents and merge_commit in reverted.split():
            found.append((commit, parents.split()[0]))
    return found


async def _unresolved(place: LocalRepository, merge_commit: str, commit: str, before: str, tip: str) -> tuple[str, ...]:
    """Paths with conflict markers of a revert that are on base, unless some commit of base since has none."""
    names = await place.run(
        *("diff-tree", "-r", "-z", "--name-only", "--no-renames", f"{commit}^1", commit), purpose="comparing trees"
    )
    paths = [name for name in names.split(b"\0") if name]
    if not paths:
        return ()
    known = await _markers(place, before, paths) + await _markers(place, f"{merge_commit}^1", paths)
    if not await _markers(place, commit, paths) - known:
        return ()
    left: Counter[tuple[bytes, bytes]] = Counter()
    for at in await _on_base_since(place, commit, tip):
        left = await _markers(place, at, paths) - known
        if not left:
            return ()
    return tuple(dict.fromkeys(path.decode("utf-8", "backslashreplace") for path, _ in left))


async def _on_base_since(place: LocalRepository, commit: str, tip: str) -> list[str]:
    """The commits of base's own line that have a commit in them, the first and the last of them if there are many."""
    since = f"{commit}^1..{tip}"
    own = await place.run(*("rev-list", "--first-parent", "--reverse", since), purpose="reading base's history")
    has_it = await place.run(*("rev-list", "--ancestry-path", f"{commit}..{tip}"), purpose="reading base's history")
    ones = {commit, *has_it.decode().split()}
    found = [one for one in own.decode().split() if one in ones]
    return found if len(found) <= _MOST_LOOKS else [*found[: _MOST_LOOKS - 1], found[-1]]


async def _markers(place: LocalRepository, commit: str, paths: list[bytes]) -> Counter[tuple[bytes, bytes]]:
    """How often each line that looks like a marker is in each of these paths."""
    told = await place.run(
        *("--literal-pathspecs", "grep", "--no-color", "--no-line-number", "--no-column", "--full-name"),
        *("--null", "--text", "--no-textconv", "-E", "-e", _MARKER, commit, "--"),
        *(os.fsdecode(path) for path in (paths if len(paths) <= _MOST_PATHS else [])),
        purpose="looking for conflict markers",
        accept=(0, 1),
    )
    # `commit:path NUL line LF`, where a path may have a line break of its own.
    found: Counter[tuple[bytes, bytes]] = Counter()
    prefix = commit.encode() + b":"
    rest = told
    while rest:
        path, _, rest = rest.partition(b"\0")
        line, _, rest = rest.partition(b"\n")
        found[path.removeprefix(prefix), line] += 1
    return found
