"""Workspaces: fresh checkouts for one task, made by the host before anything hostile runs in them.

A workspace has a `.git` of the agent's own, so that agents can ask for the history. Its objects are the mirror's, which
the sandbox has read-only at OBJECTS; the host never reads that `.git` again.
"""

import asyncio
import logging
import os
import shutil
from pathlib import Path

from activities.removal import remove
from activities.repository.git import Git
from activities.repository.mirror import Mirror
from activities.repository.volumes import VolumeFailed, Volumes
from activities.sandbox.contract import Mount
from workflows.models.limits import Limits

OBJECTS = "/opt/journeyman/objects"
"""Where a sandbox has the mirror's objects."""


DEFAULT_ROOM = Limits().disk_bytes
_log = logging.getLogger(__name__)


def objects_mount(mirror: Mirror) -> Mount:
    """Makes the workspace's history readable inside."""
    return Mount(source=mirror.objects, target=OBJECTS)


class Workspaces:
    """Checkouts on this host."""

    def __init__(self, directory: Path, git: Git, *, sized: bool = False) -> None:
        """`sized`: each gets a file system of its own, and the kernel refuses it more room than it may have."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._directory = directory
        self._git = git
        self._sized = sized
        self._volumes = Volumes(directory.with_name(f"{directory.name}-volumes"))
        self._reopen()

    def _reopen(self) -> None:
        """After a restart of the machine nothing is mounted. What can't be mounted again is gone, and not empty."""
        for path in self._volumes.places(self._directory):
            try:
                self._volumes.reopen(path)
            except VolumeFailed as error:
                _log.error("the workspace %s is lost: %s", path.name, error)
                remove(path)

    def path(self, name: str) -> Path:
        """Where a workspace is, or would be."""
        if not all(part and part.replace("-", "").isalnum() for part in name.split(".")):
            raise ValueError(f"refused: {name!r} is no name of a workspace")
        return self._directory / name

    async def create(
        self, name: str, mirror: Mirror, *, commit: str, tree: str, uid: int | None, room_bytes: int = DEFAULT_ROOM
    ) -> Path:
        """Check out `tree`, with `commit` as its history. What was there under this name is replaced.

        `room_bytes`: how much it may grow in all, where it has a file system of its own. Raises VolumeFailed.
        """
        path = self.path(name)
        await self.remove(name)
        path.mkdir(mode=0o700)
        if self._sized:
            await self._give_volume(path, mirror, tree, room_bytes)
        await self._give_history(path, mirror, commit)
        await self._git.run(
            *("read-tree", "-u", "--reset", tree),
            purpose="checking out",
            git_dir=mirror.vault,
            environment={"GIT_WORK_TREE": str(path), "GIT_INDEX_FILE": str(path / ".git" / "index")},
        )
        if uid is not None:
            await asyncio.to_thread(_give_to, path, uid)
        return path

    async def _give_volume(self, path: Path, mirror: Mirror, tree: str, room_bytes: int) -> None:
        listed = await self._git.run(
            "ls-tree", "-r", "--format=%(objectsize)", tree, purpose="measuring the tree", git_dir=mirror.vault
        )
        sizes = [int(size) for size in listed.split() if size.isdigit()]
        await asyncio.to_thread(
            lambda: self._volumes.make(
                # Beside the files, their directories and git's own.
                path, content_bytes=sum(sizes), content_files=2 * len(sizes) + 256, room_bytes=room_bytes
            )
        )  # fmt: skip

    async def _give_history(self, path: Path, mirror: Mirror, commit: str) -> None:
        await self._git.run("init", "--quiet", "--initial-branch=work", str(path), purpose="making a workspace")
        inner = path / ".git"
        shutil.rmtree(inner / "hooks", ignore_errors=True)
        (inner / "objects" / "info").mkdir(exist_ok=True)
        (inner / "objects" / "info" / "alternates").write_text(f"{OBJECTS}\n")
        (inner / "refs" / "heads" / "work").write_text(f"{commit}\n")

    async def remove(self, name: str) -> None:
        """Remove a workspace, whatever was done to it inside. Nothing but its own files is touched."""
        await asyncio.to_thread(self._remove, self.path(name))

    def _remove(self, path: Path) -> None:
        self._volumes.remove(path)
        remove(path)

    def names(self) -> list[str]:
        """Workspaces that are there."""
        return sorted(entry.name for entry in self._directory.iterdir())


def _give_to(path: Path, uid: int) -> None:
    """Before anything ran in it there is no link to be tricked by; links themselves are given, not followed."""
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, uid, uid, follow_symlinks=False)
    os.chown(path, uid, uid)
