"""File systems of a fixed size for workspaces: the kernel refuses what goes beyond, instead of somebody who watches.

Each is an image file on the host's disk, as large as what it holds takes, mounted by a loop device. That needs root and
a kernel with loop devices, so it is an option, and is tried before anybody relies on it. Mounts outlive the worker, as
runs do; after a restart of the machine they are made again from their images, which is why they have a journal.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from workflows.models.limits import MIB

BLOCK = 4096
_JOURNAL = 8 * MIB
_INODE = 256
_BYTES_PER_INODE = 8192
"""Of the room: a file costs a block, and a run may make that many."""
_TRIAL_ROOM = 4 * MIB
_SECONDS = 60
_OPTIONS = "loop,nosuid,nodev,discard,noinit_itable"


class VolumeFailed(OSError):
    """A file system could not be made or mounted; the message says why."""


class Volumes:
    """The images of one directory of workspaces."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def why_not(self) -> str:
        """Why none can be made here, found out by filling one; empty if it works and holds."""
        if os.geteuid() != 0:
            return "mounting a file system takes root"
        place = self._directory / f"trial-{os.getpid()}"
        try:
            place.mkdir(parents=True, mode=0o700)
            self.make(place, content_bytes=0, content_files=0, room_bytes=_TRIAL_ROOM)
            return _fill(place / "filled")
        except OSError as error:
            return str(error)
        finally:
            self.remove(place)
            place.rmdir()

    def make(self, at: Path, *, content_bytes: int, content_files: int, room_bytes: int) -> None:
        """Mount a new one at an empty directory, with room beside what it is made for. Raises VolumeFailed."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        image = self._image(at.name)
        inodes = 1024 + 2 * content_files + room_bytes // _BYTES_PER_INODE
        held = content_bytes + (content_files + 1) * BLOCK
        # A share for tables of blocks, and for what ext4 keeps back so that it can always finish a write.
        size = held + room_bytes + inodes * _INODE + _JOURNAL + (held + room_bytes) // 25 + 16 * MIB
        descriptor = os.open(image, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.truncate(descriptor, size // BLOCK * BLOCK)
        finally:
            os.close(descriptor)
        made_lazily = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
        journal = f"size={_JOURNAL // MIB}"
        _do(["mkfs.ext4", "-q", "-F", "-b", str(BLOCK), "-m", "0", "-N", str(inodes), "-J", journal, "-E", made_lazily,
             str(image)])  # fmt: skip
        self._mount(image, at)
        (at / "lost+found").rmdir()
        at.chmod(0o700)

    def places(self, beside: Path) -> list[Path]:
        """Directories in which an image of this name is mounted, or was before the machine was restarted."""
        found = [beside / image.stem for image in self._directory.glob("*.ext4")] if self._directory.is_dir() else []
        return [place for place in found if place.is_dir()]

    def reopen(self, at: Path) -> None:
        """Mount it again if it is not mounted any more. Raises VolumeFailed."""
        image = self._image(at.name)
        if image.exists() and not os.path.ismount(at):
            self._mount(image, at)

    def remove(self, at: Path) -> None:
        """Take the file system away with all that is in it; nothing happens if there is none. Raises VolumeFailed."""
        if os.path.ismount(at) and self._image(at.name).exists():
            try:
                _do(["umount", str(at)])
            except VolumeFailed:
                # Somebody still looks into it. Its room comes back when they have ended.
                _do(["umount", "--lazy", str(at)])
        self._image(at.name).unlink(missing_ok=True)

    def _image(self, name: str) -> Path:
        return self._directory / f"{name}.ext4"

    @staticmethod
    def _mount(image: Path, at: Path) -> None:
        _do(["mount", "-t", "ext4", "-o", _OPTIONS, str(image), str(at)])


def _do(words: Sequence[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_SECONDS, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VolumeFailed(f"{words[0]} failed: {error}") from error
    if done.returncode:
        raise VolumeFailed(f"{words[0]} failed: {done.stderr.strip()[-500:]}")


def _fill(file: Path) -> str:
    """Write until it is refused, four times what there is room for at the most."""
    try:
        with file.open("wb", buffering=0) as filled:
            for _ in range(64):
                filled.write(bytes(MIB))
    except OSError:
        return ""
    return "a file system took more than it has room for"
