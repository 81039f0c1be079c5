"""What a patch brings by its lock files, as far as its evaluation is concerned."""

from dataclasses import dataclass

from activities.sandbox.contract import Mount


@dataclass(frozen=True)
class Brought:
    """Packages of a patch's own, and the environment with them if there is one."""

    lock_files: tuple[str, ...] = ()
    installed: tuple[str, ...] = ()
    """Each with who allowed it; empty unless `layer` is made."""
    open: tuple[str, ...] = ()
    """Each `name@version` that nobody has allowed."""
    refused: str = ""
    """Why nobody can allow them."""
    broken: str = ""
    """Why the environment could not be made."""
    layer: Mount | None = None
    key: str = ""
    """Of that layer."""
