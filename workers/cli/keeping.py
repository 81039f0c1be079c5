"""Commands about what an installation keeps: copies of it, its format, and what is removed from it on request."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Annotated

from workers.cli.client import CommandFailed
from workers.cli.options import Flag, Message
from workers.cli.serving import run_to_its_end
from workers.cli.terminal import out
from workers.settings import load_settings
from workflows.models.plural import plural


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


def forget(
    person: str,
    /,
    *,
    yes: Annotated[bool, Flag] = False,
    message: Message = "",
    keys: Path | None = None,
) -> None:
    """Take a person's names and words out of what is kept. Without --yes it says what would go, and what can't.

    Tasks, decisions, patches and evidence stay, with an alias in the person's place, and their record still verifies;
    merges can still be reverted, and an intent that is asked again is still found. Safe to repeat, also after it was
    killed.

    Parameters
    ----------
    person
        Id of the person, as `journeyman show` prints it.
    yes
        Do it; there is no way back but a backup.
    message
        Why, for the record; required with --yes.
    keys
        The directory that `journeyman keys` made, where gateway and workers don't share one.
    """
    from workers.embedded.forgetting import BEYOND, Forgetter, ForgettingRefused  # noqa: PLC0415

    if yes and not message.strip():
        raise CommandFailed("say why, for the record: -m REASON", code=2)

    async def take_out() -> None:
        forgetter = Forgetter(load_settings(), keys and keys.absolute())
        with forgetter.alone() if yes else contextlib.nullcontext():
            await look_and_take_out(forgetter)

    async def look_and_take_out(forgetter: Forgetter) -> None:
        found = await forgetter.look(person)
        if not (found.asked or found.others or found.lasting):
            raise ForgettingRefused(
                f"nothing is on record about {person!r}; ids are those that `journeyman show` prints"
            )
        async for line in forgetter.preview(found):
            out().print(line, markup=False)
        if yes:
            async for line in forgetter.carry_out(found, message):
                out().print(line, markup=False)
            out().print(f"{person} is {found.words.alias} now, wherever something is left", markup=False)
        out().print("no command can take back:" if yes else "no command could take back:")
        for line in BEYOND:
            out().print(f"  {line}", markup=False)
        if yes and found.still_open:
            raise ForgettingRefused(f"not done with {', '.join(found.still_open)}: end them, and type this again")
        if not yes:
            out().print("nothing was changed; `--yes -m REASON` does it")

    run_to_its_end(take_out())
