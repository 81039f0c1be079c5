"""Sandboxes as containers, as the worker sees them."""

import os
import re
import threading
from pathlib import Path
from typing import Any

from activities.sandbox.backend import Enforceable, ProbeFailed, Trial
from activities.sandbox.container.creation import creation, files, scratch
from activities.sandbox.container.engine import (
    Address,
    Engine,
    EngineRefused,
    EngineUnavailable,
    Image,
    NoSuchThing,
    plain,
)
from activities.sandbox.container.launch import ContainerLaunch
from activities.sandbox.container.probe import look_into, probe
from activities.sandbox.contract import IMAGE, ImageRefused, SandboxSpec
from activities.sandbox.launch import CONTAINER, Launch
from activities.sandbox.stage import Stage


class ContainerBackend:
    """Implements backend.Backend."""

    def __init__(self, stage: Stage, *, socket: str, image: str, runtime: str = "") -> None:
        """Containers of the engine at a unix socket, with `image` unless a spec names another.

        `runtime` is the engine's name of an OCI runtime; empty, it is the engine's default.
        """
        self._stage, self._socket, self._image, self._runtime = stage, socket, image, runtime
        self.name = f"{CONTAINER}+{runtime}" if runtime else CONTAINER
        self._finding = threading.Lock()
        self._engine: Engine | None = None
        self._address: Address | None = None
        self._rootless = False
        self._accepted: set[str] = set()
        """Image ids that were looked into."""

    def runtime(self) -> str:
        try:
            engine, _ = self._found()
            return engine.made_by(self._runtime)
        except (EngineUnavailable, EngineRefused) as error:
            raise ProbeFailed(f"the probe failed: {error}") from error

    def check(self, spec: SandboxSpec) -> None:
        self._image_of(spec.image)

    def scratch(self, spec: SandboxSpec) -> tuple[str, ...]:
        return scratch(spec)

    def body(self, spec: SandboxSpec, mark: str, uid: int | None, enforceable: Enforceable) -> dict[str, Any]:
        _, address = self._found()
        user = os.geteuid() if uid is None else uid
        create = creation(
            spec,
            self._stage,
            address,
            mark=mark,
            image=self._image_of(spec.image),
            user=user,
            rootless=self._rootless,
            runtime=self._runtime,
        )
        return ContainerLaunch(address, create, files(spec, user), enforceable.held).as_json()

    def probe(self, trial: Trial) -> Enforceable:
        try:
            return probe(trial, own_kernel=self._runtime.startswith(("runsc", "kata")))
        except (EngineUnavailable, EngineRefused, ImageRefused) as error:
            raise ProbeFailed(f"the probe failed: {error}") from error

    def system_of(self, image: str, trial: Trial) -> str:
        identity = self._image_of(image).identity
        if identity not in self._accepted:
            look_into(image or self._image, image, trial)
            self._accepted.add(identity)
        return identity

    def remove_strays(self, runs: Path) -> None:
        """See backend. An engine goes on making a container whose supervisor was killed in that moment."""
        engine, _ = self._found()
        for container, place in engine.placed().items():
            directory = Path(place).parent
            if directory.parent == runs and not directory.exists():
                engine.remove(container)

    def _found(self) -> tuple[Engine, Address]:
        """The engine, asked once who it is. Raises EngineUnavailable and EngineRefused."""
        with self._finding:
            if self._engine is None or self._address is None:
                address = Engine.at(self._socket)
                engine = Engine(address)
                self._rootless = engine.is_rootless()
                if self._rootless and (os.geteuid() == 0 or not address.podman):
                    raise EngineRefused(
                        f"Refused the rootless engine at {plain(self._socket)}: "
                        + (
                            "it can't give each sandbox a uid that root chose. Run the worker as the engine's user."
                            if os.geteuid() == 0
                            else "in rootless Docker a workspace belongs to root inside. Use rootless Podman."
                        )
                    )
                self._engine, self._address = engine, address
            return self._engine, self._address

    def _image_of(self, name: str) -> Image:
        """An image on this host; the platform's own if none is named. Raises ImageRefused."""
        reference = name or self._image
        if not re.fullmatch(IMAGE, reference):
            raise ImageRefused(f"{plain(reference, 100)!r} can't be the name of an image.")
        engine, _ = self._found()
        try:
            found = engine.image(reference)
        except NoSuchThing:
            raise ImageRefused(
                f"the engine of this host has no image {reference!r}, and none is fetched for a task: pull or build it "
                f"there, for example with `podman pull {reference}` or `docker pull {reference}`"
            ) from None
        if found.volumes:
            named = plain(", ".join(found.volumes), 200)
            raise ImageRefused(
                f"image {reference!r} declares volumes ({named}): they would be storage on this host without a limit. "
                "Build it without VOLUME"
            )
        return found


def clear(launch: Launch) -> bool:
    """As clearing.clear. Raises EngineUnavailable."""
    engine = Engine(ContainerLaunch.of(launch).engine)
    try:
        for container in engine.marked(launch.mark):
            engine.remove(container)
        return not engine.marked(launch.mark)
    except EngineRefused:
        return False  # It is in between two states; asked again, the engine goes on.
