"""The return path: what an agent leaves is taken by the real export, "
"and, to show the attack, by a git that trusts it."""

import asyncio
import hashlib
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from activities.environment.checkout import SetupFailed, read_lock_file
from activities.environment.frozen_tree import freeze
from activities.repository.export import Exporter
from activities.repository.git import Git
from activities.repository.intake import ExportRefused
from activities.repository.mirror import Mirror, Mirrors
from activities.repository.workspace import Workspaces, objects_mount
from activities.sandbox.contract import Sandboxes, SandboxSpec
from tests.containment.attempt import Attempt, CouldNotBeMade, NotApplicable, Result
from tests.containment.ground import Ground, end_all_of
from tests.containment.scene import Scene
from tests.support.repositories import git, make_repository
from workflows.models.limits import Limits
from workflows.models.run import RunEnd

FILES = {"calc.py": "x = 1\n", "src/deep/a.py": "a = 1\n", ".gitignore": "*.log\n"}
NAIVE = "git add -A && git commit -qm x"
_SECONDS = 25.0
_READ = 100
"""Files that are read; nothing that is looked for comes later."""


@dataclass
class Taken:
    """What came of taking a work tree."""

    tree: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Path to mode and content; of a gitlink there is none."""
    refused: str = ""
    hung: bool = False
    digest: str = ""
    files: int = 0
    """How many there are; of the first of them `tree` has the content."""

    def content(self) -> bytes:
        return b"\0".join(content for _, content in self.tree.values())


class Desk:
    """One repository on a host, and everything that takes work out of workspaces there."""

    mirror: Mirror
    base: str

    def __init__(self, home: Path, sandboxes: Sandboxes) -> None:
        self.url = str(make_repository(home / "shop.git", FILES, bare=True))
        self.git = Git(home / "git")
        self.mirrors = Mirrors(home / "mirrors", self.git)
        self.workspaces = Workspaces(home / "workspaces", self.git)
        self.sandboxes = sandboxes
        self.exporter = Exporter(sandboxes, self.git, home / "scratch")

    @classmethod
    async def of(cls, ground: Ground) -> "Desk":
        """The one of this ground, made when it is first asked for."""
        async with ground.making:
            return await cls._made(ground)

    @classmethod
    async def _made(cls, ground: Ground) -> "Desk":
        if "desk" not in ground.shared:
            home = ground.home / "desk"
            home.mkdir(mode=0o711)
            desk = ground.shared["desk"] = cls(home, ground.sandboxes)
            desk.mirror = await desk.mirrors.refresh(desk.url)
            desk.base = await desk.mirrors.resolve(desk.mirror, "main")
        found: Desk = ground.shared["desk"]
        return found

    async def checkout(self, name: str, uid: int | None) -> Path:
        return await self.workspaces.create(name, self.mirror, commit=self.base, tree=f"{self.base}^{{tree}}", uid=uid)

    async def agent(self, work: Path, script: str, scene: Scene) -> None:
        """Leave a work tree as the attack wants it, from inside a sandbox."""
        spec = SandboxSpec(
            run_id=f"agent-{os.urandom(6).hex()}",
            command=("sh", "-ec", script),
            environment=_told(scene),
            workspace=work,
            mounts=(objects_mount(self.mirror),),
            limits=Limits(wall_seconds=60),
            uid=scene.uid,
        )
        status, output = await self.sandboxes.run(spec)
        await self.sandboxes.forget(spec.run_id)
        if (status.end, status.exit_code) != (RunEnd.EXITED, 0):
            raise CouldNotBeMade(f"{status.end} {status.exit_code} {status.detail}: {output[-800:].decode()}")

    async def export(self, name: str, work: Path, uid: int | None) -> Taken:
        try:
            tree = (await self.exporter.export(name, work, self.mirror, self.base, uid)).tree
        except ExportRefused as refused:
            return Taken(refused=str(refused))
        listed = await self.git.run("ls-tree", "-r", "-z", tree, purpose="listing", git_dir=self.mirror.vault)
        entries = _entries(listed)
        taken = Taken(files=len(entries))
        for mode, kind, blob, path in entries[:_READ]:
            content = b""
            if kind == "blob":
                content = await self.git.run("cat-file", "blob", blob, purpose="reading", git_dir=self.mirror.vault)
            taken.tree[path] = (mode, content)
        return taken


def _entries(listed: bytes) -> list[tuple[str, str, str, str]]:
    """Mode, kind, id and path of each entry that `git ls-tree -r -z` has listed."""
    found = []
    for entry in filter(None, listed.split(b"\0")):
        described, path = entry.split(b"\t", 1)
        mode, kind, blob = described.decode().split()
        found.append((mode, kind, blob, os.fsdecode(path)))
    return found


def _told(scene: Scene) -> dict[str, str]:
    names = ("secret", "outside", "private", "blob")
    return {name.upper(): str(scene.values[name]) for name in names if name in scene.values} | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        **{f"GIT_{role}_NAME": "Mallory" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "m@example.com" for role in ("AUTHOR", "COMMITTER")},
    }


Look = Callable[[Taken, Scene], str]


def changed_outside(_: Taken, scene: Scene) -> str:
    return scene.changed_outside()


def came_without(path: str, word: bytes) -> Look:
    """The tree came back, and what the agent wrote there is not in it."""

    def look(taken: Taken, _: Scene) -> str:
        if taken.refused or not taken.tree:
            return ""
        return "" if word in taken.tree.get(path, ("", b""))[1] else f"{path} came back without what is in it"

    return look


@dataclass(frozen=True, kw_only=True)
class Returned(Attempt):
    """What an agent leaves, how somebody who trusts it takes it, and what that does."""

    agent: str
    """A shell script in the work tree. $SECRET and $OUTSIDE are paths of the host."""
    look: Look
    naive: str = NAIVE
    """How the work is taken where nobody is careful, as an unprivileged user."""
    copied: bool = False
    """Whether the naive one takes files, into `../copy`, and no commit."""
    then: str = "export"
    """What takes the work tree here: `export`, `remove`, `freeze` or `lock`."""
    prepare: Callable[[Scene], None] = lambda scene: None
    seconds: float = _SECONDS
    """How long the naive one may take before it counts as waiting for ever."""
    patience: float = 60
    """As much for the export."""
    may_lack: str = ""

    @property
    def controlled_by(self) -> str:
        return "somebody who trusts the work tree"

    async def control(self, ground: Ground) -> Result:
        desk = await Desk.of(ground)
        async with ground.scene(ground.sandboxes) as scene:
            await asyncio.to_thread(self.prepare, scene)
            work = scene.workspace / "repository"
            await asyncio.to_thread(git, scene.workspace, "clone", "--quiet", "--no-hardlinks", desk.url, str(work))
            for path in (work, *work.rglob("*")):
                scene.own(path)
            made = await asyncio.to_thread(_as_user, scene, work, self.agent)
            if made.returncode:
                raise CouldNotBeMade(f"{made.stderr[-800:].decode(errors='replace')}")
            try:
                said = await asyncio.to_thread(_as_user, scene, work, self.naive, self.seconds)
            except subprocess.TimeoutExpired:
                return Result(self.look(Taken(hung=True), scene))
            taken = await asyncio.to_thread(self._naively, scene, work)
            result = Result(self.look(taken, scene), said.stderr[-300:].decode(errors="replace"))
            if self.may_lack and not result.success:
                raise NotApplicable(self.may_lack)
            return result

    def _naively(self, scene: Scene, work: Path) -> Taken:
        if self.then == "lock":
            lock = work / "lock"
            return Taken(digest=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else "")
        if self.copied:
            return as_it_is(work.with_name("copy"))
        entries = _entries(_as_user(scene, work, "git -c core.fsmonitor=false ls-tree -r -z HEAD^{tree}").stdout)
        taken = Taken(files=len(entries))
        for mode, kind, blob, path in entries[:_READ]:
            content = _as_user(scene, work, f"git cat-file blob {blob}").stdout if kind == "blob" else b""
            taken.tree[path] = (mode, content)
        return taken

    async def attack(self, ground: Ground) -> Result:
        desk = await Desk.of(ground)
        async with ground.scene(ground.sandboxes) as scene:
            await asyncio.to_thread(self.prepare, scene)
            name = f"t{os.urandom(4).hex()}-1"
            work = await desk.checkout(name, scene.uid)
            try:
                await desk.agent(work, self.agent, scene)
                taken = await self._take(desk, name, work, scene)
                return Result(self.look(taken, scene), taken.refused or "it came back as a tree that does no harm")
            finally:
                await desk.workspaces.remove(name)

    async def _take(self, desk: Desk, name: str, work: Path, scene: Scene) -> Taken:
        if self.then == "remove":
            await desk.workspaces.remove(name)
            return Taken()
        if self.then == "freeze":
            await asyncio.to_thread(freeze, work)
            return await asyncio.to_thread(as_it_is, work)
        if self.then == "lock":
            try:
                return Taken(digest=hashlib.sha256(read_lock_file(work, "lock")).hexdigest())
            except SetupFailed as refused:
                return Taken(refused=str(refused))
        try:
            return await asyncio.wait_for(desk.export(name, work, scene.uid), self.patience)
        except TimeoutError:
            return Taken(hung=True)


def _as_user(scene: Scene, work: Path, script: str, seconds: float = _SECONDS) -> "subprocess.CompletedProcess[bytes]":
    drop: dict[str, Any] = {"user": scene.uid, "group": scene.uid, "extra_groups": []} if scene.uid is not None else {}
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **_told(scene)}
    process = subprocess.Popen(
        ["sh", "-c", script], cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True, **drop,
    )  # fmt: skip
    try:
        out, error = process.communicate(timeout=seconds)
    finally:
        end_all_of(scene, process.pid)
        process.wait()
    return subprocess.CompletedProcess(script, process.returncode, out, error)


def as_it_is(top: Path) -> Taken:
    """Files as they are, with every bit of their modes; the content of a link is where it leads."""
    taken = Taken()
    for folder, _, names in os.walk(top):
        for name in names:
            path = Path(folder) / name
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode):
                content = os.fsencode(path.readlink())
            else:
                content = path.read_bytes() if stat.S_ISREG(found.st_mode) and os.access(path, os.R_OK) else b""
            taken.tree[str(path.relative_to(top))] = (f"{found.st_mode:o}", content)
    return taken
