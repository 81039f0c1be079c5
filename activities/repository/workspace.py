"""Workspaces: fresh checkouts for one task, made by the host before anything hostile runs in them.

A workspace has a `.git` of the agent's own, so that agents can ask for the history. Its objects are the mirror's, which
the sandbox has read-only at OBJECTS; the host never reads that `.git` again.
"""

import asyncio
import os
import shutil
from pathlib import Path

from activities.removal import remove
from activities.repository.git import Git
from activities.repository.mirror import Mirror
from activities.sandbox.contract import Mount

OBJECTS = "/opt/journeyman/objects"
"""Where a sandbox has the mirror's objects."""


def objects_mount(mirror: Mirror) -> Mount:
    """Makes the workspace's history readable inside."""
    return Mount(source=mirror.objects, target=OBJECTS)


class Workspaces:
    """Checkouts on this host."""

    def __init__(self, directory: Path, git: Git) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._directory = directory
        self._git = git

    def path(self, name: str) -> Path:
        """Where a workspace is, or would be."""
        if not all(part and part.replace("-", "").isalnum() for part in name.split(".")):
            raise ValueError(f"refused: {name!r} is no name of a workspace")
        return self._directory / name

    async def create(self, name: str, mirror: Mirror, *, commit: str, tree: str, uid: int | None) -> Path:
        """Check out `tree`, with `commit` as its history. What was there under this name is replaced."""
        path = self.path(name)
        await self.remove(name)
        path.mkdir(mode=0o700)
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

    async def _give_history(self, path: Path, mirror: Mirror, commit: str) -> None:
        await self._git.run("init", "--quiet", "--initial-branch=work", str(path), purpose="making a workspace")
        inner = path / ".git"
        shutil.rmtree(inner / "hooks", ignore_errors=True)
        (inner / "objects" / "info").mkdir(exist_ok=True)
        (inner / "objects" / "info" / "alternates").write_text(f"{OBJECTS}\n")
        (inner / "refs" / "heads" / "work").write_text(f"{commit}\n")

    async def remove(self, name: str) -> None:
        """Remove a workspace, whatever was done to it inside. Nothing but its own files is touched."""
        await asyncio.to_thread(remove, self.path(name))

    def names(self) -> list[str]:
        """Workspaces that are there."""
        return sorted(entry.name for entry in self._directory.iterdir())


def _give_to(path: Path, uid: int) -> None:
    """Before anything ran in it there is no link to be tricked by; links themselves are given, not followed."""
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, uid, uid, follow_symlinks=False)
    os.chown(path, uid, uid)
