"""The `[sandbox]` table of journeyman.toml: what sandboxes of this installation are made by."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from activities.policy.document import Document
from activities.sandbox.contract import IMAGE

Image = Annotated[str, Field(pattern=f"^{IMAGE}$")]


class ContainerTable(Document):
    """Sandboxes as containers."""

    socket: Path | None = None
    """Unix socket of the engine, such as `/run/podman/podman.sock` or `/var/run/docker.sock`; needed with
    `backend = "container"`."""
    image: Image | None = None
    """The image that is a sandbox's system unless team.toml names another; needed with `backend = "container"`. It
    must have git and sh, and be there: none is fetched for a task."""
    images: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9*?._/:@\[\]-]{1,255}$")], ...] = ()
    """Which other images team.toml may name: names, or patterns in which `*` stands for anything, such as
    `registry.example.com/agents/*`."""
    runtime: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    """The engine's name of the OCI runtime, such as `runsc` for gVisor; left out, it is the engine's default."""

    def allows(self, image: str) -> bool:
        """Whether a team may name this image."""
        return image == self.image or any(fnmatchcase(image, pattern) for pattern in self.images)


class SandboxTable(Document):
    """How sandboxes are made; read when a worker starts, but for `container.images`."""

    backend: Literal["bubblewrap", "container"] = "bubblewrap"
    """`bubblewrap` needs no engine and shows this host's own system; `container` is made by Docker or Podman."""
    container: ContainerTable = ContainerTable()
    sized_workspaces: bool = False
    """Give each workspace a file system of its own with no more room than it may have, so that the kernel holds the
    limit on its disk. Needs root and loop devices; where it does not work, a worker says so and disk is watched."""

    @model_validator(mode="after")
    def _has_what_its_backend_needs(self) -> "SandboxTable":
        if self.backend == "container" and (self.container.socket is None or self.container.image is None):
            raise ValueError(
                'backend = "container" needs [sandbox.container] with `socket`, the engine\'s, and `image`, the one '
                "that sandboxes have"
            )
        if self.container.socket is not None and not self.container.socket.is_absolute():
            raise ValueError("container.socket must be an absolute path")
        return self
