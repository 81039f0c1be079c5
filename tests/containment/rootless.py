"""Sandboxes that would be made with root's rights: what they leave in a workspace is root's, for the host too."""

import asyncio
import os
import stat
import subprocess
from dataclasses import dataclass

from activities.sandbox.contract import SandboxSpec
from tests.containment.attempt import Attempt, NotApplicable, Result
from tests.containment.ground import Ground
from tests.containment.scene import Scene
from workflows.models.limits import Limits

_LEAVE = "cp /usr/bin/id /work/tool; chmod 4755 /work/tool"


@dataclass(frozen=True, kw_only=True)
class WithRoot(Attempt):
    """A run that asks for a uid that it must not have."""

    @property
    def controlled_by(self) -> str:
        return "bubblewrap started as root"

    async def control(self, ground: Ground) -> Result:
        """Every capability dropped and another uid inside, and still root for the host."""
        if os.geteuid() != 0:
            raise NotApplicable("only root could start a sandbox with root's rights")
        async with ground.scene(ground.sandboxes) as scene:
            # As the workspace of a worker is that knows no other user.
            os.chown(scene.workspace, 0, 0)
            line = [str(ground.stage.bubblewrap), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
            line += ["--uid", "1000", "--gid", "1000", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]
            line += ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]
            line += ["--bind", str(scene.workspace), "/work", "--", "sh", "-c", _LEAVE]
            done = await asyncio.to_thread(
                subprocess.run, line, capture_output=True, check=False, cwd="/", env={"PATH": "/usr/bin"}, timeout=20
            )
            return Result(_left(scene), done.stderr.decode(errors="replace"))

    async def attack(self, ground: Ground) -> Result:
        async with ground.scene(ground.sandboxes) as scene:
            spec = SandboxSpec(
                run_id=f"attack-{os.urandom(6).hex()}",
                command=("sh", "-c", _LEAVE),
                workspace=scene.workspace,
                limits=Limits(wall_seconds=20),
                uid=0,
            )
            try:
                await ground.sandboxes.run(spec)
            except Exception as refused:
                # Whichever way a backend refuses; what counts is what is in the workspace.
                return Result(_left(scene), str(refused))
            await ground.sandboxes.forget(spec.run_id)
            return Result(_left(scene), "it ran, and left nothing of root's")


def _left(scene: Scene) -> str:
    tool = scene.workspace / "tool"
    found = tool.stat() if tool.exists() else None
    dangerous = found is not None and found.st_uid == 0 and found.st_mode & stat.S_ISUID
    return "a program of root's with the set-user-id bit is on the host" if dangerous else ""


ATTEMPTS: tuple[Attempt, ...] = (
    WithRoot(
        name="have a sandbox made with root's rights",
        group="inheritance",
        success="what runs inside is root for the host",
    ),
)
