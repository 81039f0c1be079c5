"""What a patch changes, read by git plumbing from two trees; neither is ever checked out for it."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from activities.repository.git import Git
from activities.repository.patches import SMALL_FILE_BYTES, SMALL_FILES
from workflows.models.base import Model

GITLINK = "160000"
SYMLINK = "120000"
ABSENT = "000000"
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--no-abbrev")
MOST_READ_BYTES = 8 * 1024 * 1024
"""Of changed files together: more is not looked through, and a person is told so."""
MOST_READ_LINES = 200_000
"""Lines that differ; a line costs memory however short it is."""
LINE_CHARS = 4000
"""Of an added line this much is one piece; a longer line comes in several."""


class Change(Model):
    """One path that differs."""

    path: str
    """Bytes that are not UTF-8 are kept as surrogates."""
    old_mode: str
    new_mode: str
    old_blob: str
    new_blob: str
    added: int = 0
    removed: int = 0
    binary: bool = False
    new_size: int = 0
    """Bytes of the new content."""

    @property
    def is_added(self) -> bool:
        """Base has nothing at this path."""
        return self.old_mode == ABSENT

    @property
    def is_deleted(self) -> bool:
        """The patch leaves nothing at this path."""
        return self.new_mode == ABSENT


class PatchLine(NamedTuple):
    """A line, or a piece of a long one, that the patch adds or removes."""

    path: str
    line: int
    """Its number in the new file, or in the old one if it is removed."""
    text: str


class PatchLines(NamedTuple):
    """The text of a patch."""

    added: tuple[PatchLine, ...] = ()
    removed: tuple[PatchLine, ...] = ()
    """Not those of a file that is deleted as a whole."""


class ChangeReader:
    """Compares trees of one bare repository."""

    def __init__(self, git: Git) -> None:
        self._git = git

    async def changes(self, git_dir: Path, base: str, head: str) -> tuple[Change, ...]:
        """Every path that differs between two trees or commits, in git's order. Raises GitError."""
        raw = await self._git.run(
            *("diff-tree", "-r", "-z", "--raw", *_PLAIN, base, head), purpose="comparing trees", git_dir=git_dir
        )
        counted = await self._git.run(
            *(*SMALL_FILES, "diff-tree", "-r", "-z", "--numstat", *_PLAIN, base, head),
            purpose="counting lines",
            git_dir=git_dir,
        )
        counts = dict(_counts(counted))
        fields = raw.split(b"\0")[:-1]
        if len(fields) % 2 or len(counts) != len(fields) // 2:
            raise ValueError("git named different paths in two comparisons of the same trees")
        entries = [(fields[n].decode().lstrip(":").split(), fields[n + 1]) for n in range(0, len(fields), 2)]
        sizes = await self._sizes(git_dir, [meta[3] for meta, _ in entries if meta[1] not in (ABSENT, GITLINK)])
        changes: list[Change] = []
        for (old_mode, new_mode, old_blob, new_blob, _), path in entries:
            added, removed = counts[path]
            changes.append(
                Change(
                    path=os.fsdecode(path),
                    old_mode=old_mode,
                    new_mode=new_mode,
                    old_blob=old_blob,
                    new_blob=new_blob,
                    added=added or 0,
                    removed=removed or 0,
                    binary=added is None,
                    new_size=sizes.get(new_blob, 0),
                )
            )
        return tuple(changes)

    async def lines(self, git_dir: Path, base: str, head: str, changes: tuple[Change, ...]) -> PatchLines:
        """Every line that differs; none if they are too much to be held in memory, which is_readable tells before.

        Files that git takes for binary are included: a NUL byte must not hide a secret.
        """
        if not is_readable(changes):
            return PatchLines()
        patch = await self._git.run(
            *("diff-tree", "-r", "-p", "--text", "--unified=0", "--irreversible-delete", *_PLAIN, base, head),
            purpose="reading changed lines",
            git_dir=git_dir,
        )
        return await asyncio.to_thread(_lines, patch, changes)

    async def _sizes(self, git_dir: Path, blobs: list[str]) -> dict[str, int]:
        if not blobs:
            return {}
        told = await self._git.run(
            *("cat-file", "--batch-check=%(objectname) %(objectsize)"),
            purpose="reading sizes",
            git_dir=git_dir,
            stdin="".join(f"{blob}\n" for blob in blobs).encode(),
        )
        return {name: int(size) for name, size in (line.split() for line in told.decode().splitlines())}


def is_readable(changes: tuple[Change, ...]) -> bool:
    """Whether the text of a patch is small enough to be looked through."""
    sizes = [change.new_size for change in changes]
    lines = sum(change.added + (0 if change.is_deleted else change.removed) for change in changes)
    # Nobody has counted the lines of a file that is not small.
    return sum(sizes) <= MOST_READ_BYTES and lines <= MOST_READ_LINES and max(sizes, default=0) <= SMALL_FILE_BYTES


def _counts(numstat: bytes) -> Iterator[tuple[bytes, tuple[int | None, int | None]]]:
    for entry in numstat.split(b"\0")[:-1]:
        added, removed, path = entry.split(b"\t", 2)
        yield path, (None, None) if added == b"-" else (int(added), int(removed))


def _lines(patch: bytes, changes: tuple[Change, ...]) -> PatchLines:
    added: list[PatchLine] = []
    removed: list[PatchLine] = []
    for sign, line in _signed(patch, changes):
        (added if sign == b"+" else removed).append(line)
    return PatchLines(tuple(added), tuple(removed))


def _signed(patch: bytes, changes: tuple[Change, ...]) -> Iterator[tuple[bytes, PatchLine]]:
    """Lines of hunks, each with the path of its section. Sections come in the order of the changes.

    Names in a patch may be quoted or hold line breaks, so they are not read. Outside a hunk no line of content can
    stand, and inside one every line begins with a sign; so a section's first line can't be imitated by content.
    """
    # A path whose type changed has two sections, a deletion and an addition.
    sections = [change.path for change in changes for _ in range(_sections_of(change))]
    section, number, old_number, old_left, new_left = -1, 0, 0, 0, 0
    for line in patch.split(b"\n"):
        if old_left or new_left:
            if line.startswith(b"+"):
                new_left -= 1
                for piece in _pieces(sections[section], number, line[1:].decode("utf-8", "replace")):
                    yield b"+", piece
                number += 1
            elif line.startswith(b"-"):
                old_left -= 1
                for piece in _pieces(sections[section], old_number, line[1:].decode("utf-8", "replace")):
                    yield b"-", piece
                old_number += 1
        elif line.startswith(b"diff --git "):
            section += 1
        elif line.startswith(b"@@ "):
            old, new = line.split(b" ")[1:3]
            (old_number, old_left), (number, new_left) = _range(old), _range(new)
    if section + 1 != len(sections):
        raise ValueError(f"the patch has {section + 1} sections for {len(sections)} changes")


def _sections_of(change: Change) -> int:
    if change.is_added or change.is_deleted or change.old_mode[:2] == change.new_mode[:2]:
        return 1
    return 2


def _range(text: bytes) -> tuple[int, int]:
    start, _, count = text[1:].partition(b",")
    return int(start), int(count) if count else 1


def _pieces(path: str, line: int, text: str) -> Iterator[PatchLine]:
    # Pieces overlap, so that nothing is cut in two without being whole in one of them.
    for start in range(0, max(1, len(text)), LINE_CHARS // 2):
        yield PatchLine(path=path, line=line, text=text[start : start + LINE_CHARS])
        if start + LINE_CHARS >= len(text):
            break
