"""The backend of an installation's sandboxes, as journeyman.toml says."""

import logging
from pathlib import Path

from activities.policy.documents import PlatformPolicy
from activities.policy.reading import read_platform
from activities.repository.volumes import Volumes
from activities.sandbox.backend import Backend
from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.stage import Stage
from workers.settings import Settings
from workflows.models.policy import PolicyRefusal

_log = logging.getLogger(__name__)


def backend_of(platform: PlatformPolicy, stage: Stage) -> Backend:
    """What sandboxes are made by. An engine is not asked for anything yet."""
    if platform.sandbox.backend == "bubblewrap":
        return BubblewrapBackend(stage)
    # Only where there are containers: the engine's client takes a while to load.
    from activities.sandbox.container.backend import ContainerBackend  # noqa: PLC0415

    table = platform.sandbox.container
    return ContainerBackend(stage, socket=str(table.socket), image=table.image or "", runtime=table.runtime)


def why_not_sized(platform: PlatformPolicy, directory: Path) -> str | None:
    """Whether workspaces get file systems of their own: None if so; else why not, empty if nobody wants it.

    Tried once, beneath `directory`.
    """
    if not platform.sandbox.sized_workspaces:
        return ""
    why = Volumes(directory / "trial-volumes").why_not()
    if why:
        _log.warning("workspaces get no file system of their own, so that their disk is watched: %s", why)
    return why or None


def configured_sizing(settings: Settings, directory: Path) -> str | None:
    """The same for whoever has no policy at hand."""
    try:
        return why_not_sized(read_platform(settings.config_file), directory)
    except PolicyRefusal:
        return ""


def configured_backend(settings: Settings, stage: Stage) -> Backend:
    """The same for whoever has no policy at hand. Of a mistake in the file others tell; here the default counts."""
    try:
        return backend_of(read_platform(settings.config_file), stage)
    except PolicyRefusal:
        return BubblewrapBackend(stage)
