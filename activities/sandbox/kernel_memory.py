"""Memory that the kernel holds for a sandbox and that no process's size shows: names in a tmpfs, and full sockets.

Standard library only, since supervisors load it. Only where no control group counts it: sums are bounds from above, so
that what is not known exactly can be used to reach the limit, never to evade it.
"""

import contextlib
import os
from pathlib import Path

INODE_BYTES = 1280
"""Of a file in a tmpfs without any content: inode, directory entry and a long name."""
_BUFFER = Path("/proc/sys/net/core/wmem_max")
_DEFAULT_BUFFER_BYTES = 212_992
_INET = ("tcp", "tcp6", "udp", "udp6")
_SEGMENTS = 4
"""The kernel's own structures around queued bytes take several times as much, if each of them is sent alone."""


def names_in(mount: os.statvfs_result) -> int:
    """Bytes for the names in a tmpfs, of any content."""
    return (mount.f_files - mount.f_ffree) * INODE_BYTES


def in_sockets(inside: int) -> int:
    """Bytes that all sockets of a sandbox's network may hold, those too that are on their way in other sockets.

    `inside` is a process of the sandbox. What a unix socket holds is told nowhere, so each counts as full.
    """
    network = Path(f"/proc/{inside}/net")
    total = max(0, _lines(network / "unix") - 1) * 2 * _largest_buffer()
    for name in _INET:
        with contextlib.suppress(OSError, ValueError):
            for line in (network / name).read_bytes().splitlines()[1:]:
                sent, _, received = line.split()[4].partition(b":")
                total += _SEGMENTS * (int(sent, 16) + int(received, 16))
    return total


def _lines(file: Path) -> int:
    try:
        return file.read_bytes().count(b"\n")
    except OSError:
        return 0


def _largest_buffer() -> int:
    try:
        return int(_BUFFER.read_text())
    except (OSError, ValueError):
        return _DEFAULT_BUFFER_BYTES
