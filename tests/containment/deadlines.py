"""Going on when it is over: after a deadline, an end, a stop, and while everything should stand still."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activities.sandbox import processes
from activities.sandbox.contract import Sandboxes, SandboxSpec
from tests.containment.attempt import Attempt, CouldNotBeMade, NotApplicable, Result
from tests.containment.ground import SMALL, Ground, end_all_of, of_uid
from tests.containment.prelude import arguments
from tests.containment.scene import Scene, python_for
from workflows.models.limits import Limits

_BEATS = 0.4
"""Seconds for which somebody looks whether the attack goes on; it shows itself every 0.03."""
_PATIENCE = 10.0


@dataclass(frozen=True, kw_only=True)
class GoingOn(Attempt):
    """A script that shows that it lives, and what is done to it."""

    script: str
    done: str
    """`its end`, `deadline`, `stop`, `freeze` or `supervisor`: what has to end it, or make it stand still."""
    elusive: bool = False
    """Whether its control is kept in check only by a uid of its own: it can't be found, or would reach others."""
    control_does: str
    """What somebody does to the first process alone who believes that this is enough."""

    @property
    def controlled_by(self) -> str:
        return "no sandbox; its first process alone is " + {
            "wait": "waited for", "term": "asked to end", "kill": "killed", "stop": "stopped"
        }[self.control_does]  # fmt: skip

    async def control(self, ground: Ground) -> Result:
        async with ground.scene(ground.sandboxes) as scene:
            if self.elusive and scene.uid is None:
                raise NotApplicable("a uid of its own, without which a control can't be ended, takes root")
            drop: dict[str, Any] = (
                {"user": scene.uid, "group": scene.uid, "extra_groups": []} if scene.uid is not None else {}
            )
            values = {**scene.values, "work": str(scene.workspace), "inside": False}
            process = await asyncio.create_subprocess_exec(
                python_for(scene.uid), *arguments(self.script, values), cwd="/", env={"PATH": "/usr/bin:/bin"},
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True, **drop,
            )  # fmt: skip
            family: list[processes.Process] = []
            try:
                await _beats(scene)
                family = processes.descendants(process.pid)
                if self.control_does == "wait":
                    await process.wait()
                else:
                    process.send_signal(
                        {"term": signal.SIGTERM, "kill": signal.SIGKILL, "stop": signal.SIGSTOP}[self.control_does]
                    )
                    await asyncio.sleep(0.1)
                return Result(await _goes_on(scene))
            finally:
                end_all_of(scene, process.pid)
                # Without a uid of their own they are known by what they were; none lives for more than 20 seconds.
                for each in family:
                    if processes.is_alive(each.pid, each.started):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(each.pid, signal.SIGKILL)
                await process.wait()

    async def attack(self, ground: Ground) -> Result:
        async with ground.scene(ground.sandboxes) as scene:
            spec = SandboxSpec(
                run_id=f"attack-{os.urandom(6).hex()}",
                command=("python3", *arguments(self.script, {**scene.values, "work": "/work", "inside": True})),
                workspace=scene.workspace,
                limits=Limits(**{**SMALL, "wall_seconds": 1.5 if self.done == "deadline" else 20}),
                uid=scene.uid,
            )
            await ground.sandboxes.start(spec)
            try:
                await _beats(scene)
                await _DONE[self.done](ground.sandboxes, spec.run_id)
                goes_on = await _goes_on(scene)
            finally:
                await ground.sandboxes.thaw(spec.run_id)
                await ground.sandboxes.stop(spec.run_id, "the attack is over")
                await ground.sandboxes.forget(spec.run_id)
            return Result(goes_on or _left(scene), f"after {self.done}, nothing goes on")


async def _beats(scene: Scene) -> None:
    """Wait until the attack has shown that it lives."""
    deadline = time.monotonic() + _PATIENCE
    while not (scene.workspace / "beat").exists():
        if time.monotonic() > deadline:
            raise CouldNotBeMade("it never showed that it lives")
        await asyncio.sleep(0.01)


async def _goes_on(scene: Scene) -> str:
    beat = scene.workspace / "beat"
    before = beat.read_bytes(), beat.stat().st_mtime_ns
    await asyncio.sleep(_BEATS)
    return "it goes on" if (beat.read_bytes(), beat.stat().st_mtime_ns) != before else ""


def _left(scene: Scene) -> str:
    """Whether any process of the attack's uid is there, when its run has ended."""
    left = of_uid(scene)
    return f"process {left[0]} is left" if left else ""


async def _ended(sandboxes: Sandboxes, run_id: str) -> None:
    async def ignore(_: bytes, __: int) -> None: ...

    await sandboxes.follow(run_id, 0, ignore)


async def _stop(sandboxes: Sandboxes, run_id: str) -> None:
    await sandboxes.stop(run_id, "enough")


async def _freeze(sandboxes: Sandboxes, run_id: str) -> None:
    """Asked for by a file that the supervisor looks for ten times a second."""
    await sandboxes.freeze(run_id)
    await asyncio.sleep(0.5)


async def _kill_supervisor(sandboxes: Sandboxes, run_id: str) -> None:
    found = [pid for pid in processes.all_processes() if run_id in _command(pid) and pid != os.getpid()]
    if not found:
        raise CouldNotBeMade("no supervisor names its run")
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await _ended(sandboxes, run_id)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


_DONE: dict[str, Callable[[Sandboxes, str], Awaitable[None]]] = {
    "its end": _ended,
    "deadline": _ended,
    "stop": _stop,
    "freeze": _freeze,
    "supervisor": _kill_supervisor,
}
_DEAF = "for number in (1, 2, 3, 10, 12, 13, 14, 15): signal.signal(number, signal.SIG_IGN)\n"
_DAEMON = (
    "ready, tell_it = os.pipe()\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
    "        for descriptor in (0, 1, 2): os.close(descriptor)\n        beat()\n    os._exit(0)\n"
    "while not os.path.exists('beat'): time.sleep(0.01)\ntime.sleep(0.2)\n"
)
_RELAY = (
    "child = 0\nend = time.monotonic() + 8\nif os.fork(): \n"
    "    while not os.path.exists('beat'): time.sleep(0.01)\n    time.sleep(8)\n"
    "os.setsid()\nwhile time.monotonic() < end:\n"
    "    with open('beat', 'w') as file: file.write(str(time.monotonic()))\n"
    "    time.sleep(0.005)\n    if os.fork(): os._exit(0)\n"
)


_EVERYBODY = "for pid in [int(name) for name in os.listdir('/proc') if name.isdigit()]"


def _of(name: str, script: str, done: str, control_does: str, success: str) -> GoingOn:
    return GoingOn(
        name=name, group="time", success=success, script=script, done=done, control_does=control_does,
        elusive=_RELAY in script or _EVERYBODY in script,
    )  # fmt: skip


ATTEMPTS: tuple[Attempt, ...] = (
    _of("be deaf to every request to end", _DEAF + "beat()", "deadline", "term", "it goes on after its deadline"),
    _of("leave a daemon behind at the end", _DAEMON, "its end", "wait", "it goes on after its end"),
    _of(
        "leave a daemon behind that holds the output open",
        _DAEMON.replace("        for descriptor in (0, 1, 2): os.close(descriptor)\n", ""),
        "its end",
        "wait",
        "it goes on after its end",
    ),
    _of(
        "leave a daemon behind at the deadline",
        _DAEMON + "time.sleep(20)",
        "deadline",
        "kill",
        "it goes on after its deadline",
    ),
    _of(
        "pass life on from process to process faster than they are found",
        _RELAY,
        "stop",
        "kill",
        "it goes on after a stop",
    ),
    _of(
        "pass life on in many processes at once",
        "if os.fork():\n    time.sleep(8)\nos.fork(); os.fork()\n" + _RELAY,
        "deadline",
        "kill",
        "it goes on after its deadline",
    ),
    _of(
        "go on in a group and session of its own",
        _DEAF + _DAEMON + "time.sleep(20)",
        "stop",
        "kill",
        "it goes on after a stop",
    ),
    _of(
        "go on while everything is frozen, in another process",
        _DAEMON + "time.sleep(20)",
        "freeze",
        "stop",
        "it goes on while it is frozen",
    ),
    _of(
        "wake up those who are frozen",
        "first = os.getpid()\nif os.fork() == 0:\n    os.setsid()\n    end = time.monotonic() + 8\n"
        "    while time.monotonic() < end:\n"
        "        for pid in [int(name) for name in os.listdir('/proc') if name.isdigit()]:\n"
        "            try: os.kill(pid, signal.SIGCONT)\n            except OSError: pass\n"
        "        time.sleep(0.01)\n    os._exit(0)\nbeat()",
        "freeze",
        "stop",
        "it goes on while it is frozen",
    ),
    _of(
        "outlive whoever watches over it",
        _DEAF + _DAEMON + "time.sleep(20)",
        "supervisor",
        "kill",
        "it goes on without a supervisor",
    ),
    _of(
        "stop its own first process, so that nobody notices the end",
        _DEAF + "try: V['inside'] and os.kill(1, signal.SIGSTOP)\nexcept OSError: pass\nbeat()",
        "deadline",
        "term",
        "it goes on after its deadline",
    ),
)
