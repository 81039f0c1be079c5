"""Unprivileged uids for sandboxes, as root: no two sandboxes on a host share one while either may still use it.

A reservation is a file beside the runs, so it outlives worker and supervisor. A second file, in a directory that all
state directories of the host share, keeps them from taking the same uid; it goes with a restart of the machine, and is
made again from the first.
"""

import contextlib
import fcntl
import os
import random
from collections.abc import Iterator
from pathlib import Path

FIRST, LAST = 210_000, 219_999
"""Above the uids of people and services, below those that containers are commonly given."""
SHARED = Path("/run/journeyman/uids")


class NoUidLeft(Exception):
    """Every uid of the pool is reserved."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"No sandbox uid between {FIRST} and {LAST} is free. Remove runs that are over, or the reservations in "
            f"{directory} whose tasks no longer exist."
        )


class UndroppedRoot(Exception):
    """A sandbox was to be started with root's rights."""

    def __init__(self) -> None:
        super().__init__(
            "Refused to start a sandbox as root: what gets out of it would have root's rights, and bubblewrap started "
            "so leaves the host's kernel settings writable. Give the run an unprivileged uid of its own, for example "
            "from take_uid()."
        )


def check_uid(uid: int | None) -> None:
    """Raise UndroppedRoot unless the sandbox will run without root's rights, PermissionError if it can't change uid."""
    if os.geteuid() == 0:
        if not uid:
            raise UndroppedRoot
    elif uid not in (None, os.geteuid()):
        raise PermissionError(
            f"Refused to start a sandbox as uid {uid}: only root can become another uid, and this is uid "
            f"{os.geteuid()}. Leave the uid out."
        )


class UidPool:
    """The uids reserved under one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def take(self) -> int:
        """Reserve a uid that nobody on this host has. Raises NoUidLeft."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone():
            for own in self._directory.iterdir():
                self._publish(own)
            candidates = list(range(FIRST, LAST + 1))
            random.shuffle(candidates)
            for uid in candidates:
                own = self._directory / str(uid)
                if not own.exists() and self._is_free(uid):
                    own.touch(exist_ok=False)
                    self._publish(own)
                    return uid
        raise NoUidLeft(self._directory)

    def give_back(self, uid: int) -> None:
        """End a reservation; nothing happens if there is none."""
        with self._alone():
            own = self._directory / str(uid)
            if own.exists():
                own.unlink()
                (SHARED / str(uid)).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        SHARED.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(SHARED / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @staticmethod
    def _is_free(uid: int) -> bool:
        """Free, or left over from a state directory that was removed."""
        try:
            return not Path((SHARED / str(uid)).read_text()).exists()
        except FileNotFoundError:
            return True

    @staticmethod
    def _publish(own: Path) -> None:
        (SHARED / own.name).write_text(str(own))
