"""Commands about what an installation keeps: copies of it, its format, and what is removed from it on request."""

import sqlite3
from pathlib import Path
from typing import Annotated

from workers.cli.client import CommandFailed
from workers.cli.options import Flag
from workers.cli.printing import out, plural
from workers.cli.serving import run_to_its_end
from workers.settings import load_settings


def backup(directory: Path) -> None:
    """Copy what can't be made again to a new directory, while `up` runs or not: tasks, records, keys, configuration.

    Repositories are not in it, nor what agents are just working on. Whoever has it can decide in your name: it holds
    the keys.

    Parameters
    ----------
    directory
        Where to; it gets its name once it is complete.
    """
    from workers.embedded.backup import BackupRefused, back_up  # noqa: PLC0415

    try:
        made = back_up(load_settings(), directory.absolute())
    except (BackupRefused, OSError, sqlite3.Error) as error:
        raise CommandFailed(str(error)) from error
    out().print(f"backed up to {directory}: {plural(len(made.files), 'file')}", markup=False)
    if made.archive:
        out().print(f"the archive is at {made.archive} and not in it: that store keeps its own copies", markup=False)


def restore(directory: Path) -> None:
    """Put a backup into an empty state directory; then `journeyman up` goes on with the tasks that were open.

    Parameters
    ----------
    directory
        What `journeyman backup` made.
    """
    from workers.embedded.backup import BackupRefused  # noqa: PLC0415
    from workers.embedded.backup import restore as put_back  # noqa: PLC0415

    settings = load_settings()
    try:
        made = put_back(settings, directory.absolute())
    except (BackupRefused, OSError) as error:
        raise CommandFailed(str(error)) from error
    out().print(
        f"restored the backup of {made.made_at} into {settings.state}: start it with `journeyman up`", markup=False
    )


def upgrade(
    *,
    dry_run: Annotated[bool, Flag] = False,
    backup: Path | None = None,
    without_backup: Annotated[bool, Flag] = False,
) -> None:
    """Bring the archive of an older version to the one that this program writes. Stop everything that uses it first.

    What is hashed or signed stays as it is. Safe to repeat: one that was killed is begun again and finds what it did.

    Parameters
    ----------
    dry_run
        Say what would be done, and change nothing.
    backup
        Make a backup in this new directory first, as `journeyman backup` does.
    without_backup
        There is one already, or the archive is in an object store that keeps its own copies.
    """
    from workers.embedded.upgrading import upgrading  # noqa: PLC0415

    if sum((dry_run, backup is not None, without_backup)) != 1:
        raise CommandFailed(
            "a backup comes first: `journeyman upgrade --backup DIRECTORY` makes one; say --without-backup if you have "
            "one, --dry-run to see what would be done",
            code=2,
        )

    async def bring_up() -> None:
        async for line in upgrading(load_settings(), dry_run=dry_run, backup=backup and backup.absolute()):
            out().print(line, markup=False)

    run_to_its_end(bring_up())
