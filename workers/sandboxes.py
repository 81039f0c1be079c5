"""The backend of an installation's sandboxes, as journeyman.toml says."""

from activities.policy.documents import PlatformPolicy
from activities.policy.reading import read_platform
from activities.sandbox.backend import Backend
from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.stage import Stage
from workers.settings import Settings
from workflows.models.policy import PolicyRefusal


def backend_of(platform: PlatformPolicy, stage: Stage) -> Backend:
    """What sandboxes are made by. An engine is not asked for anything yet."""
    if platform.sandbox.backend == "bubblewrap":
        return BubblewrapBackend(stage)
    # Only where there are containers: the engine's client takes a while to load.
    from activities.sandbox.container.backend import ContainerBackend  # noqa: PLC0415

    table = platform.sandbox.container
    return ContainerBackend(stage, socket=str(table.socket), image=table.image or "", runtime=table.runtime)


def configured_backend(settings: Settings, stage: Stage) -> Backend:
    """The same for whoever has no policy at hand. Of a mistake in the file others tell; here the default counts."""
    try:
        return backend_of(read_platform(settings.config_file), stage)
    except PolicyRefusal:
        return BubblewrapBackend(stage)
