"""Where attacks are made: in a backend's sandboxes, and, to show that they work, outside or with a guard taken away."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from activities.sandbox import processes
from activities.sandbox.contract import Mount, Sandboxes, SandboxSpec
from activities.sandbox.stage import Stage, stage_runtime
from tests.containment.attempt import CouldNotBeMade
from tests.containment.backends import Attacked, plain
from tests.containment.prelude import BROKEN, ENDED, arguments
from tests.containment.scene import Scene, python_for
from workflows.models.limits import MIB, Limits
from workflows.models.run import RunEnd

HOST_SECONDS = 20.0
SMALL: dict[str, Any] = {"wall_seconds": 20, "scratch_bytes": 32 * MIB, "memory_bytes": 512 * MIB, "processes": 64}


@dataclass(frozen=True)
class Ran:
    """A script that has ended, in a sandbox or not."""

    output: str
    end: str = RunEnd.EXITED
    exit_code: int | None = 0
    detail: str = ""

    @property
    def finished(self) -> bool:
        """Whether nobody outside ended it."""
        return self.end == RunEnd.EXITED

    def told(self) -> str:
        """How it ended, in a line. Raises CouldNotBeMade if it did not try everything."""
        for line in reversed(self.output.splitlines()):
            if line.startswith(BROKEN):
                raise CouldNotBeMade(line + "\n" + self.output[-500:])
            if line.startswith(ENDED):
                return line.removeprefix(ENDED).strip()
        if self.finished and 0 <= (self.exit_code or 0) < 128:
            raise CouldNotBeMade(f"exit code {self.exit_code}: {self.detail} {self.output[-1000:]}")
        return f"{self.end} {self.exit_code} {self.detail}".replace("None", "").strip()


@dataclass
class Ground:
    """One backend under attack, and the place of controls beside it."""

    home: Path
    """Short, and passable for uids that were dropped to."""
    sandboxes: Sandboxes
    """Of the backend."""
    stage: Stage
    weaken: Callable[[Path, str], Sandboxes]
    """Makes the backend's sandboxes without one guard, in a directory of their own."""
    _weakened: dict[str, Sandboxes] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)
    """What a group has made for all its attempts."""
    making: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while something shared is made."""
    closing: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @classmethod
    def at(cls, home: Path, attacked: Attacked | None = None, stage: Stage | None = None) -> "Ground":
        """In a directory of its own. Without a backend, bubblewrap is attacked."""
        stage = stage or stage_runtime(home)
        attacked = attacked or plain(home / "runs", stage)
        return cls(home, attacked.sandboxes, stage, attacked.weakened)

    def without(self, guard: str) -> Sandboxes:
        """The backend's sandboxes without one guard. Raises NotApplicable."""
        if guard not in self._weakened:
            self._weakened[guard] = self.weaken(self.home / f"weak{len(self._weakened)}", guard)
        return self._weakened[guard]

    @contextlib.asynccontextmanager
    async def scene(self, sandboxes: Sandboxes) -> AsyncIterator[Scene]:
        """Surroundings for one attack, with a uid of its own where there is one to be had."""
        uid = sandboxes.take_uid()
        scene = Scene(self.home, uid)
        try:
            yield scene
        finally:
            await asyncio.to_thread(scene.close)
            sandboxes.give_back_uid(uid)


async def in_sandbox(
    sandboxes: Sandboxes,
    scene: Scene,
    script: str,
    *,
    limits: Mapping[str, Any] | None = None,
    mounts: tuple[Mount, ...] = (),
    egress: Path | None = None,
) -> Ran:
    """Run a script in a sandbox to its end."""
    spec = SandboxSpec(
        run_id=f"attack-{os.urandom(6).hex()}",
        command=("python3", *arguments(script, {**scene.values, "work": "/work", "inside": True})),
        workspace=scene.workspace,
        mounts=mounts,
        limits=Limits(**{**SMALL, **(limits or {})}),
        egress=egress,
        uid=scene.uid,
    )
    status, output = await sandboxes.run(spec)
    await sandboxes.forget(spec.run_id)
    return Ran(output.decode(errors="replace"), status.end, status.exit_code, status.detail)


async def on_host(
    scene: Scene,
    script: str,
    wrap: tuple[str, ...] = (),
    *,
    as_root: bool = False,
    given: Mapping[str, Any] | None = None,
) -> Ran:
    """Run a script without a sandbox, as the scene's unprivileged uid, and end whatever it leaves."""
    uid = None if as_root else scene.uid
    drop: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []} if uid is not None else {}
    values = {**scene.values, "work": str(scene.workspace), "inside": False}
    process = await asyncio.create_subprocess_exec(
        *wrap,
        python_for(uid if uid is not None else scene.uid),
        *arguments(script, values),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        **{
            "start_new_session": True,
            "env": {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            "cwd": "/",
            **drop,
            **(given or {}),
        },
    )
    assert process.stdout
    try:
        output = await asyncio.wait_for(process.stdout.read(), HOST_SECONDS)
        return Ran(output.decode(errors="replace"), exit_code=_as_a_shell(await process.wait()))
    except TimeoutError:
        return Ran("", "deadline", None, f"ran longer than {HOST_SECONDS:g} seconds")
    finally:
        end_all_of(scene, process.pid)
        await process.wait()


def _as_a_shell(code: int) -> int:
    return code if code >= 0 else 128 - code


def end_all_of(scene: Scene, group: int) -> None:
    """End a control's process group and, where its uid is nobody else's, every process of that uid, by their ids.

    Again and again until none is found: some pass their life on faster than they are listed.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + HOST_SECONDS
    while (found := of_uid(scene)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def of_uid(scene: Scene) -> list[int]:
    """Living processes of a scene's own uid, but for the victim."""
    victim = scene.victim.pid if scene.victim else 0
    found = []
    for pid in processes.all_processes() if scene.uid is not None else ():
        with contextlib.suppress(OSError):
            if pid != victim and os.stat(f"/proc/{pid}").st_uid == scene.uid:
                found.append(pid)
    return found


def namespaces(*kinds: str) -> tuple[str, ...]:
    """A command line that puts what follows into namespaces of its own, where it is root and nothing is the host's."""
    chosen = [f"--{kind}" for kind in kinds]
    return ("unshare", "--user", "--map-root-user", "--fork", "--kill-child", *chosen, "--")


def can_make_namespaces(uid: int | None) -> bool:
    drop: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []} if uid is not None else {}
    tried = subprocess.run([*namespaces("mount"), "true"], check=False, capture_output=True, cwd="/", **drop)
    return tried.returncode == 0
