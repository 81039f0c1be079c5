"""Attacks that are a script inside a sandbox, and the places where each of them is shown to work."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from activities.sandbox.contract import Mount
from tests.containment.attempt import Attempt, NotApplicable, Result
from tests.containment.ground import Ground, Ran, can_make_namespaces, in_sandbox, namespaces, on_host
from tests.containment.scene import Scene
from workflows.models.limits import Grade

Observe = Callable[[Scene, Ran], str]
"""What the attack achieved, as seen from outside; empty if nothing."""
Prepare = Callable[[Scene], None]


class Control(Protocol):
    """Where a script has to succeed."""

    @property
    def words(self) -> str:
        """For the report."""
        ...

    @property
    def of_the_backend(self) -> bool:
        """Whether this is in sandboxes of the backend under attack, so that it shows nothing of another one."""
        ...

    async def run(self, attempt: "Inside", ground: Ground) -> Result: ...


@dataclass(frozen=True, kw_only=True)
class Inside(Attempt):
    """One script."""

    script: str
    """Python, between the lines of prelude.py. `V` has what the scene tells it: addresses and paths, never a secret."""
    observe: Observe
    where: Control
    prepare: Prepare = field(default=lambda scene: None)
    meanwhile: Prepare | None = None
    """Looks on from outside until the scene says that it is over."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    grade: str = ""
    """Name of the limit that is attacked, if a backend may grade it as `none` and so promises nothing."""
    may_lack: str = ""
    """What some machines do not have, so that the control fails there and nothing can be shown."""

    @property
    def controlled_by(self) -> str:
        return self.where.words

    @property
    def shown_by_the_backend(self) -> bool:
        return self.where.of_the_backend

    async def control(self, ground: Ground) -> Result:
        result = await self.where.run(self, ground)
        if self.may_lack and not result.success:
            raise NotApplicable(f"{self.may_lack} ({result.said})")
        return result

    async def attack(self, ground: Ground) -> Result:
        if self.grade and getattr(await asyncio.to_thread(ground.sandboxes.grades), self.grade) is Grade.NONE:
            raise NotApplicable(f"the backend grades {self.grade} as none on this machine, and so promises nothing")
        async with ground.scene(ground.sandboxes) as scene:
            run = lambda: in_sandbox(  # noqa: E731  what is run while somebody looks on
                ground.sandboxes, scene, self.script, limits=self.limits, mounts=(_input(scene),)
            )
            return await self.made(scene, run)

    async def made(self, scene: Scene, run: Callable[[], Any]) -> Result:
        """Prepare, run, look on meanwhile, and observe."""
        await asyncio.to_thread(self.prepare, scene)
        looking = asyncio.create_task(asyncio.to_thread(self.meanwhile, scene)) if self.meanwhile else None
        try:
            ran: Ran = await run()
        finally:
            scene.over.set()
            if looking:
                await looking
        success = await asyncio.to_thread(self.observe, scene, ran)
        return Result(success, "" if success else ran.told())


def _input(scene: Scene, writable: bool = False) -> Mount:
    return Mount(source=scene.given, target="/run/task", writable=writable)


@dataclass(frozen=True)
class OnHost:
    """Without a sandbox, as an unprivileged uid of the scene's own."""

    words: str = "no sandbox"
    of_the_backend: bool = False
    given: Callable[[Scene], Mapping[str, Any]] = field(default=lambda scene: {})
    """How the process is started, where that matters."""

    async def run(self, attempt: Inside, ground: Ground) -> Result:
        async with ground.scene(ground.sandboxes) as scene:
            return await attempt.made(scene, lambda: on_host(scene, attempt.script, given=self.given(scene)))


@dataclass(frozen=True)
class AsRoot:
    """Without a sandbox and as root, for what takes root; only with scripts that touch nothing but the scene."""

    words: str = "no sandbox, as root"
    of_the_backend: bool = False

    async def run(self, attempt: Inside, ground: Ground) -> Result:
        if os.geteuid() != 0:
            raise NotApplicable("showing that it works takes root")
        async with ground.scene(ground.sandboxes) as scene:
            return await attempt.made(scene, lambda: on_host(scene, attempt.script, as_root=True))


class InNamespaces:
    """Without a sandbox, as root of namespaces of its own, in which nothing belongs to this machine."""

    of_the_backend = False

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds
        self.words = "root of its own namespaces"

    async def run(self, attempt: Inside, ground: Ground) -> Result:
        async with ground.scene(ground.sandboxes) as scene:
            if not can_make_namespaces(scene.uid):
                raise NotApplicable("this machine lets no unprivileged user make a namespace")
            return await attempt.made(scene, lambda: on_host(scene, attempt.script, namespaces(*self._kinds)))


class Without:
    """A sandbox of the backend's with one guard taken away."""

    of_the_backend = True

    def __init__(self, guard: str) -> None:
        self._guard = guard
        self.words = f"without {guard}"

    async def run(self, attempt: Inside, ground: Ground) -> Result:
        weak = ground.without(self._guard)
        async with ground.scene(weak) as scene:
            run = lambda: in_sandbox(  # noqa: E731  as above
                weak, scene, attempt.script, limits=attempt.limits, mounts=(_input(scene),)
            )
            return await attempt.made(scene, run)


class Lifted:
    """A sandbox of the backend's whose limits are wide enough, or whose input is writable."""

    of_the_backend = True

    def __init__(self, *, input_writable: bool = False, **limits: Any) -> None:
        self._limits, self._writable = limits, input_writable
        self.words = "a writable mount" if input_writable else "limits lifted"

    async def run(self, attempt: Inside, ground: Ground) -> Result:
        async with ground.scene(ground.sandboxes) as scene:
            run = lambda: in_sandbox(  # noqa: E731  as above
                ground.sandboxes,
                scene,
                attempt.script,
                limits={**attempt.limits, **self._limits},
                mounts=(_input(scene, self._writable),),
            )
            return await attempt.made(scene, run)


@dataclass(frozen=True)
class Nowhere:
    """Where no control is possible on this machine."""

    reason: str
    words: str = "none"
    of_the_backend: bool = False

    async def run(self, attempt: Inside, ground: Ground) -> Result:
        raise NotApplicable(self.reason)
