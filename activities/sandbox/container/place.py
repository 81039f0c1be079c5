"""A run's own directory that is mounted in its container: three FIFOs to talk by, and a few files. See contained.py.

Standard library only, since supervisors load it.
"""

import contextlib
import os
from pathlib import Path

OUTPUT, REPORT, HOLD = "output", "report", "hold"
_BY_NAME = {OUTPUT: 0o200, REPORT: 0o200, HOLD: 0o400}
"""What its init may do: nobody inside can read what was said, nor let the init go on."""


class Place:
    """The supervisor's ends. They are opened before the names are there for anybody else."""

    def __init__(self, path: Path, uid: int | None, files: dict[str, str]) -> None:
        """Raises OSError."""
        self.path = path
        path.mkdir(mode=0o700)
        for name, content in files.items():
            (path / name).write_bytes(content.encode(errors="surrogateescape"))
            (path / name).chmod(0o444)
        for name in _BY_NAME:
            os.mkfifo(path / name, 0o600)
        self.output, self.report = (
            os.open(path / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) for name in (OUTPUT, REPORT)
        )
        # For reading too, or it could not be opened before the init is there.
        self._hold = os.open(path / HOLD, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        for name, mode in _BY_NAME.items():
            if uid is not None:
                os.chown(path / name, uid, uid)
            (path / name).chmod(mode)
        path.chmod(0o755)

    def take_names_away(self) -> None:
        """From now on, only who has opened them can use them."""
        for name in _BY_NAME:
            (self.path / name).unlink(missing_ok=True)

    def let_go_on(self) -> None:
        """Let the init take its next step: to start the command, or to end."""
        with contextlib.suppress(OSError):
            os.write(self._hold, b".")

    def let_go(self) -> None:
        """Nobody watches any more: the init ends at once, and with it everything inside."""
        with contextlib.suppress(OSError):
            os.close(self._hold)
        self._hold = -1
