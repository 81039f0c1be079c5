"""Clearing up after a supervisor that died, by whichever backend its run was: not always the one that is used now."""

from activities.sandbox.bubblewrap_backend import clear as clear_bubblewrap
from activities.sandbox.launch import CONTAINER, Launch


def clear(launch: Launch) -> bool:
    """Kill and remove what is left of a run. True when nothing is; False: asked again, it goes on.

    Raises OSError if nobody can be asked, such as an engine that does not answer.
    """
    if launch.backend.startswith(CONTAINER):
        # Only where there are containers: the engine's client takes a while to load.
        from activities.sandbox.container.backend import clear as clear_container  # noqa: PLC0415

        return clear_container(launch)
    return clear_bubblewrap(launch)
