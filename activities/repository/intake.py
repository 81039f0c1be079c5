"""Taking in what the git sandbox made. It read hostile bytes, so what comes of it is taken for hostile, too.

Host git unpacks what it is given: a pack of a kilobyte can hold a gigabyte of noughts, or a delta that makes one. So
the pack is measured before any git sees it, in a bounded time and without keeping what comes out; and the git that
takes it in, and the one that looks through its tree, may use so much memory and time and no more. A tree can have one
other tree many times, and that one a third, and then has more files than anybody can list.
"""

import asyncio
import io
import os
import re
import struct
import zlib
from pathlib import Path

from activities.repository.git import Bounds, Git, GitError
from workflows.models.limits import MIB

MOST_PACK_BYTES = 64 * MIB
MOST_FILES = 20_000
MOST_OBJECTS = 6 * MOST_FILES
"""A file may bring directories of its own."""
MOST_UNPACKED_BYTES = 192 * MIB
"""Of files, of which the git sandbox takes fewer, of directories, and of files that are as large as base's."""
STORING = Bounds(memory_bytes=512 * MIB, cpu_seconds=60, wall_seconds=120)
LOOKING = Bounds(memory_bytes=256 * MIB, cpu_seconds=20, wall_seconds=60)
_GITLINK = b"160000"
_MOST_LISTED_BYTES = 32 * MIB
_TREE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DELTAS = (6, 7)
_KINDS = (1, 2, 3, 4)
_PIECE = 1 * MIB
_HEADER, _TRAILER = 12, 20


class ExportRefused(Exception):
    """The tree can't be taken as it is; the message is for the agent, with the path and what to do."""


class Intake:
    """Takes packs and trees into a vault."""

    def __init__(self, git: Git) -> None:
        self._git = git

    async def take(self, vault: Path, pack: bytes) -> None:
        """Store what a pack has. Raises ExportRefused."""
        await asyncio.to_thread(measure, pack)
        try:
            await self._git.run(
                *("-c", "pack.threads=1", "index-pack", "--stdin", "--strict", f"--max-input-size={MOST_PACK_BYTES}"),
                purpose="taking in the tree",
                git_dir=vault,
                stdin=pack,
                bounds=STORING,
            )
        except GitError as error:
            raise ExportRefused(f"the tree has something git refuses to store: {error.said[-500:]}") from error

    async def inspect(self, vault: Path, base: str, tree: str) -> None:
        """Look through what a tree changes. Raises ExportRefused."""
        if not _TREE.fullmatch(tree):
            raise ExportRefused("what came back names no tree")  # It could be an option of git's.
        listed = io.BytesIO()
        try:
            whole = await self._git.write(
                *("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", base, tree),
                purpose="comparing trees",
                git_dir=vault,
                to=listed,
                most=_MOST_LISTED_BYTES,
                bounds=LOOKING,
            )
        except GitError as error:
            raise ExportRefused(f"the tree is more than can be looked through: {error.said[-500:]}") from error
        fields = listed.getvalue().split(b"\0")
        changed = len(fields) // 2
        if changed > MOST_FILES or not whole:
            raise ExportRefused(f"{changed} files changed, or more, and at most {MOST_FILES} may: split the task")
        for described, name in zip(fields[0::2], fields[1::2], strict=False):
            if described.split(b" ")[1] == _GITLINK:
                path = os.fsdecode(name).encode("utf-8", "backslashreplace").decode()
                raise ExportRefused(
                    f"{path!r} is a repository of its own or a new submodule, whose content would be lost: "
                    "remove its .git directory, or leave it out"
                )


def measure(pack: bytes) -> None:
    """Refuse a pack that has more than it may, or a delta. Raises ExportRefused."""
    if len(pack) < _HEADER + _TRAILER or pack[:4] != b"PACK":
        raise ExportRefused("what came back is no pack")
    _, count = struct.unpack(">II", pack[4:_HEADER])
    if count > MOST_OBJECTS:
        raise ExportRefused(f"the tree has {count} new objects, more than {MOST_OBJECTS}: split the task")
    at, unpacked, view = _HEADER, 0, memoryview(pack)
    for _ in range(count):
        kind, size, at = _entry(pack, at)
        if kind in _DELTAS:
            raise ExportRefused("the pack has a delta, and what that unpacks to can't be known before")
        if kind not in _KINDS:
            raise ExportRefused("the pack has something that is no object")
        unpacked += size
        if unpacked > MOST_UNPACKED_BYTES:
            raise ExportRefused(f"the change has more than {MOST_UNPACKED_BYTES // MIB} MiB: leave generated files out")
        at += _packed_size(view[at:-_TRAILER], size)


def _entry(pack: bytes, at: int) -> tuple[int, int, int]:
    """Kind and size of the object whose entry begins there, and where its content begins."""
    if at >= len(pack):
        raise ExportRefused("the pack ends before its last object")
    byte = pack[at]
    kind, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        at += 1
        if at >= len(pack) or shift > 60:
            raise ExportRefused("the pack ends in the middle of an object")
        byte = pack[at]
        size |= (byte & 0x7F) << shift
        shift += 7
    return kind, size, at + 1


def _packed_size(packed: memoryview, size: int) -> int:
    """How many bytes hold an object of this size. Never unpacks more than that."""
    stream, fed, came = zlib.decompressobj(), 0, 0
    # What is fed beyond the end is copied, so little is fed for what is little.
    piece = min(_PIECE, size + 64)
    left: bytes | memoryview = b""
    try:
        while not stream.eof:
            if not left:
                left = packed[fed : fed + piece]
                fed += len(left)
                if not left:
                    raise ExportRefused("the pack ends in the middle of an object")
            came += len(stream.decompress(left, _PIECE))
            left = stream.unconsumed_tail
            if came > size:
                raise ExportRefused("the pack has an object that is larger than it says")
    except zlib.error as error:
        raise ExportRefused("the pack has an object that can't be unpacked") from error
    if came != size:
        raise ExportRefused("the pack has an object that is smaller than it says")
    return fed - len(stream.unused_data)
