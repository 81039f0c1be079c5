"""Finding the servers that come as Python packages: beside this interpreter, whatever PATH says."""

import sys
from pathlib import Path


class ProgramMissing(Exception):
    """A program that set-up installs is not there."""


def program(name: str) -> Path:
    """The path of an installed program. Raises ProgramMissing with the command that installs it."""
    path = Path(sys.prefix) / "bin" / name
    if not path.exists():
        raise ProgramMissing(f"{name} is not installed beside {sys.executable}: run `make setup`")
    return path
