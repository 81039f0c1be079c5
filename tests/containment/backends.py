"""The backends that are attacked. A new one is one entry here: how to open its sandboxes in a directory."""

from collections.abc import Callable
from pathlib import Path

from activities.sandbox.contract import Sandboxes
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import Stage


class Unavailable(Exception):
    """This machine can't run the backend; the message says why."""


def _bubblewrap(directory: Path, stage: Stage) -> Sandboxes:
    # Nobody renews a lease here, and a slow machine must not freeze an attack halfway.
    return BubblewrapSandboxes(directory, stage, lease_seconds=600)


BACKENDS: dict[str, Callable[[Path, Stage], Sandboxes]] = {"bubblewrap": _bubblewrap}
"""By name. Opening one raises Unavailable where this machine has not what it takes."""
