"""Making a patch of an exported tree: the commit, what it changes, and a bundle any host can continue from."""

import asyncio
import hashlib
import os
import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from activities.archive.contract import ArtifactStore
from activities.repository.git import Git
from activities.repository.mirror import Mirror
from workflows.models.patch import LeftOut, Patch

BOT_NAME = "Journeyman"
BOT_MAIL = "journeyman@localhost"
_SHOWN_DIFF_BYTES = 8 * 1024 * 1024
_MOST_DIFF_BYTES = 64 * 1024 * 1024
"""Of a diff this much is made; a longer one is equal to no other."""
SMALL_FILE_BYTES = 4 * 1024 * 1024
SMALL_FILES = ("-c", f"core.bigFileThreshold={SMALL_FILE_BYTES}")
"""For comparing: git holds several times a file's size to find changed lines, so a larger one counts as binary."""
_PIECE = 256 * 1024
_NAMES_BASE = re.compile(rb"(?m)^index [0-9a-f].*\n|(?<=^@@) .*$")
_CONFLICT_EXIT = 1
_MOST_CONFLICTS = 50
_NOTHING = LeftOut()


class Patches:
    """Commits trees and lays patches onto other bases; all in the vault, none in a work tree."""

    def __init__(self, git: Git, artifacts: ArtifactStore) -> None:
        self._git = git
        self._artifacts = artifacts

    async def make(
        self,
        mirror: Mirror,
        name: str,
        *,
        base: str,
        tree: str,
        message: str,
        when: datetime,
        left_out: LeftOut = _NOTHING,
    ) -> Patch:
        """Commit a tree as the one commit on base and put it on record.

        Later rounds commit anew onto base rather than on top, so that a branch has one commit whose message and
        trailers speak of all of it. The same tree, message and time give the same commit, so a retry changes nothing.
        """
        commit = await self._commit(mirror, base, tree, message, when)
        return await self._describe(mirror, name, base, commit, left_out)

    async def take(self, mirror: Mirror, name: str, *, base: str, head: str) -> Patch:
        """Commits that are in the vault already, as they are, and what all of them change of base."""
        return await self._describe(mirror, name, base, head, _NOTHING)

    async def restore(self, mirror: Mirror, patch: Patch) -> None:
        """Bring a patch that was made on some host into this host's vault. Raises GitError if base is not here."""
        if await self._git.exit_code("cat-file", "-e", f"{patch.head}^{{commit}}", git_dir=mirror.vault) != 0:
            bundle = await self._artifacts.get(patch.bundle)
            await self._git.run(
                *("index-pack", "--stdin", "--fix-thin", "--strict"),
                purpose="restoring a patch",
                git_dir=mirror.vault,
                stdin=pack_of(bundle),
            )

    async def rebase(self, mirror: Mirror, name: str, patch: Patch, new_base: str) -> Patch | tuple[str, ...]:
        """The patch on another base, or the paths in conflict."""
        await self.restore(mirror, patch)
        told = await self._git.run(
            *("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", new_base, patch.head),
            purpose="laying the patch onto the new base",
            git_dir=mirror.vault,
            accept=(0, _CONFLICT_EXIT),
        )
        fields = [field for field in told.split(b"\0") if field]
        if len(fields) > 1:
            return tuple(
                os.fsdecode(field).encode("utf-8", "backslashreplace").decode() for field in fields[1:_MOST_CONFLICTS]
            )
        message = (
            await self._git.run(
                "log", "-1", "--format=%B", patch.head, purpose="reading a commit", git_dir=mirror.vault
            )
        ).decode()
        stamp = await self._git.line(
            "log", "-1", "--format=%at", patch.head, purpose="reading a commit", git_dir=mirror.vault
        )
        when = datetime.fromtimestamp(int(stamp)).astimezone()
        commit = await self._commit(mirror, new_base, fields[0].decode(), message.strip() + "\n", when)
        return await self._describe(mirror, name, new_base, commit, patch.left_out)

    async def _commit(self, mirror: Mirror, base: str, tree: str, message: str, when: datetime) -> str:
        stamp = f"{int(when.timestamp())} +0000"
        identity: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            identity |= {f"GIT_{role}_NAME": BOT_NAME, f"GIT_{role}_EMAIL": BOT_MAIL, f"GIT_{role}_DATE": stamp}
        written = await self._git.run(
            *self._git.commit_tree(tree, "-p", base, "-F", "-"),
            purpose="committing the tree",
            git_dir=mirror.vault,
            stdin=message.encode(),
            environment=identity,
        )
        return written.decode().strip()

    async def _describe(self, mirror: Mirror, name: str, base: str, head: str, left_out: LeftOut) -> Patch:
        tree = await self._git.line("rev-parse", f"{head}^{{tree}}", purpose="reading a commit", git_dir=mirror.vault)
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
        with tempfile.TemporaryFile() as file:
            whole = await self._git.write(
                *(*SMALL_FILES, "diff-tree", "-p", "--binary", *plain, base, head),
                purpose="making the diff",
                git_dir=mirror.vault,
                to=file,
                most=_MOST_DIFF_BYTES,
            )
            # Beside the event loop: millions of lines take seconds.
            shown, digest = await asyncio.to_thread(_read_diff, file)
        if not whole:
            digest = hashlib.sha256(f"{base} {tree}".encode()).hexdigest()
        counted = await self._git.run(
            *(*SMALL_FILES, "diff-tree", "-r", "--numstat", "-z", *plain, base, head),
            purpose="counting lines",
            git_dir=mirror.vault,
        )
        counts = [entry.split(b"\t", 2) for entry in counted.split(b"\0") if entry]
        return Patch(
            base_commit=base,
            tree=tree,
            head=head,
            bundle=await self._artifacts.put(
                await self._bundle(mirror, name, base, head), name="patch.bundle", media_type="application/x-git-bundle"
            ),
            diff=await self._artifacts.put(shown, name="patch.diff", media_type="text/x-diff"),
            diff_sha256=digest,
            files=len(counts),
            added=sum(int(added) for added, _, _ in counts if added != b"-"),
            removed=sum(int(removed) for _, removed, _ in counts if removed != b"-"),
            left_out=left_out,
        )

    async def _bundle(self, mirror: Mirror, name: str, base: str, head: str) -> bytes:
        reference = f"refs/journeyman/{name}"
        await self._git.run("update-ref", reference, head, purpose="keeping the commit", git_dir=mirror.vault)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bundle"
            await self._git.run(
                *("bundle", "create", "--quiet", str(path), reference, f"^{base}"),
                purpose="bundling the patch",
                git_dir=mirror.vault,
            )
            return path.read_bytes()


def pack_of(bundle: bytes) -> bytes:
    """The pack inside a git bundle: what follows the first empty line."""
    _, _, pack = bundle.partition(b"\n\n")
    return pack


def _read_diff(file: BinaryIO) -> tuple[bytes, str]:
    """What is shown of a diff, and its digest."""
    file.seek(0)
    shown = file.read(_SHOWN_DIFF_BYTES)
    if file.read(1):
        shown += b"\n[the diff is longer; the bundle has all of it]\n"
    file.seek(0)
    return shown, diff_digest(file)


def diff_digest(diff: BinaryIO) -> str:
    """A hash of what a diff changes, the same on another base when patch and context are byte-identical.

    Left out is what names the base: blob ids, and the line numbers and function names of hunk headers.
    """
    digest = hashlib.sha256()
    # Many whole lines at a time: a loop over each would keep the interpreter from everything else.
    while piece := diff.read(_PIECE) + diff.readline():
        digest.update(_NAMES_BASE.sub(b"", piece))
    return digest.hexdigest()
