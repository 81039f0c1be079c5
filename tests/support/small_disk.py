"""A disk that is soon full: a file system in memory, of a size that a test chooses."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WHY_NONE = "" if os.geteuid() == 0 else "mounting a file system takes root"


@contextmanager
def small_disk(place: Path, *, size: int, inodes: int = 100_000) -> Iterator[Path]:
    """Mount it at a new directory until the block ends. `size`: bytes."""
    place.mkdir(mode=0o711)
    options = f"size={size},nr_inodes={inodes},mode=0711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        # Lazily: a process that just ends may still have a file open.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def filled(place: Path, *, leaving: int) -> Iterator[None]:
    """Fill it until so many bytes are free, and take that back when the block ends."""
    ballast = place / "ballast"
    held = os.statvfs(place)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, held.f_bavail * held.f_frsize - leaving)
    try:
        yield
    finally:
        ballast.unlink()
