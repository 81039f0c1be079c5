"""`journeyman upgrade`: an archive of an older version, with nobody else at it, after a backup."""

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.archive.schema import ARCHIVE_VERSION, upgrade, version_of
from activities.socket_paths import short
from workers.embedded.backup import BackupRefused, back_up
from workers.settings import Settings
from workflows.models.plural import plural


class StillInUse(Exception):
    """Something uses the archive that may not meanwhile."""


async def upgrading(settings: Settings, *, dry_run: bool, backup: Path | None) -> AsyncIterator[str]:
    """Upgrade and say what is done, a line for each thing. `backup`: where to make one first, if there is need.

    Raises StillInUse, BackupRefused, and ArchiveError for an archive of a newer version.
    """
    with contextlib.nullcontext() if dry_run else alone(settings):
        objects = Objects.open(settings.archive_location)
        if backup is not None and 0 < await version_of(objects) < ARCHIVE_VERSION:
            try:
                made = await asyncio.to_thread(back_up, settings, backup)
            except (BackupRefused, sqlite3.Error) as error:
                raise BackupRefused(f"nothing was upgraded, as there is no backup: {error}") from error
            yield f"backed up to {backup}: {plural(len(made.files), 'file')}"
            if made.archive:
                yield f"the archive is at {made.archive} and not in it: that store keeps its own copies"
        async for line in upgrade(objects, Chains(objects), dry_run=dry_run):
            yield line


@contextlib.contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep `up` from starting until the block ends. Raises StillInUse if it, or a gateway, is at work here."""
    lock = FileLock(settings.prepare_state() / "up.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout as taken:
        raise StillInUse(
            f"`journeyman up` runs with the state in {settings.state}: end it with `journeyman down`, and begin again"
        ) from taken
    try:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            with short(settings.gateway_socket) as path:
                probe.connect(path)
            raise StillInUse(f"a gateway serves {settings.gateway_socket}: end it, every worker too, and begin again")
        yield
    finally:
        lock.release()
