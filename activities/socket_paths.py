"""Reaching a unix socket whatever its path is long: sockaddr_un holds 107 bytes, a state directory may be deeper.

The kernel's limit is on the text that is passed to bind and connect, not on where the socket is. So the directory is
opened, and the socket named below /proc/self/fd: nothing outside the state directory is needed, which would have to be
made safely, cleaned up, and made again after a reboot.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def open_directory(path: Path) -> int:
    """A descriptor of the directory that holds a socket, for `below`. Raises OSError if there is none."""
    return os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def below(descriptor: int, name: str) -> str:
    """What to pass to bind or connect for a name in an open directory; valid in this process while it is open."""
    return f"/proc/self/fd/{descriptor}/{name}"


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """The same for one call. Raises OSError if the directory is not there."""
    descriptor = open_directory(path)
    try:
        yield below(descriptor, path.name)
    finally:
        os.close(descriptor)
