"""Backup and restore of an installation on one machine: one directory with everything that can't be made again.

Temporal's database is copied first, and what is on record after it. A record that is ahead of its task is what any lost
answer leaves: the step is taken again and finds what it did. The other way round a task would miss what it relies on.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pydantic import ValidationError

from workers.settings import RESTORING, Settings
from workflows.models.base import Model

SCHEMA_VERSION = 1
_MANIFEST = "manifest.json"
_DATABASE = "temporal/temporal.db"
_LAST = ("blobs", "tombstones")
"""Of the archive, in this order after all else: bytes are there before the entry that refers to them is, and a note
before what it is about is removed. So everything that a copied entry refers to is copied, or noted as removed.
"""


class BackupRefused(Exception):
    """It can't be made, or can't be restored here; the message says why and what to do."""


class Manifest(Model):
    """What a backup holds."""

    schema_version: int = SCHEMA_VERSION
    journeyman: str
    """The version that made it."""
    made_at: str
    """RFC 3339, UTC."""
    archive: str = ""
    """Where the archive is, if it is in an object store: that keeps its own copies."""
    files: dict[str, str]
    """Path to sha256."""


def back_up(settings: Settings, target: Path) -> Manifest:
    """Copy everything to a new directory, while `up` runs or not. Raises BackupRefused and OSError.

    The directory gets its name once it is complete.
    """
    if target.exists() and any(target.iterdir()):
        raise BackupRefused(f"{target} is not empty: name a directory that is not there yet")
    database = settings.state / _DATABASE
    if not database.exists():
        raise BackupRefused(f"there is nothing to back up in {settings.state}: `journeyman up` has never run with it")
    for place in _places(settings).values():
        if target.is_relative_to(place.resolve()):
            raise BackupRefused(f"{target} is in {place}, which belongs into the backup: name a directory elsewhere")
    with _draft_of(target) as draft:
        _copy_database(database, draft / _DATABASE)
        for name, place in _places(settings).items():
            _copy(place, draft / name, last=_LAST if name == "archive" else ())
        in_store = settings.archive_location if "://" in settings.archive_location else ""
        manifest = Manifest(
            journeyman=metadata.version("journeyman"),
            made_at=datetime.now(UTC).isoformat(),
            archive=in_store,
            files={str(file.relative_to(draft)): _hash(file) for file in _files(draft)},
        )
        (draft / _MANIFEST).write_text(manifest.model_dump_json(indent=1))
        with suppress(FileNotFoundError):
            target.rmdir()
        draft.rename(target)
    return manifest


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """An empty directory that is this process's alone. Raises BackupRefused while another makes the same backup."""
    draft = target.with_name(f"{target.name}.partial")
    draft.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # What one that was killed has left.
        for left in draft.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield draft
    except BlockingIOError as error:
        raise BackupRefused(f"a backup to {target} is being made just now: wait for it, or name another one") from error
    finally:
        os.close(lock)


def restore(settings: Settings, source: Path) -> Manifest:
    """Put a backup into an empty state directory. Raises BackupRefused before anything was written, and OSError.

    One that was killed is typed again: until it is complete, nothing else starts with that state.
    """
    manifest = _read(source)
    _refuse_elsewhere(settings, manifest)
    begun, mark = settings.state / RESTORING, _hash(source / _MANIFEST)
    goes_on = begun.is_file() and begun.read_text() == mark
    for place in (settings.state, *_places(settings).values()) if not goes_on else ():
        if place.is_file() or (place.is_dir() and any(place.iterdir())):
            raise BackupRefused(
                f"{place} is there and not empty, and a backup is never mixed with what is there: move it away, or set "
                "JOURNEYMAN_STATE to a directory that is empty"
            )
    for name, digest in manifest.files.items():
        file = source / name
        if not file.is_file() or file.is_symlink() or _hash(file) != digest:
            raise BackupRefused(f"the backup is damaged: {file} is missing or was changed; take another one")
    if not goes_on:
        settings.prepare_state()
        begun.write_text(mark)
    places = {**_places(settings), "temporal": settings.state / "temporal"}
    for name in manifest.files:
        top, _, rest = name.partition("/")
        to = places[top] / rest if rest else places[top]
        to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy2(source / name, to)
    begun.unlink()
    return manifest


def _refuse_elsewhere(settings: Settings, manifest: Manifest) -> None:
    """Raises BackupRefused where the settings here have no place for what is in it, or look for records elsewhere."""
    tops = {name.partition("/")[0] for name in manifest.files}
    if "payload.keys" in tops and settings.payload_keys is None:
        raise BackupRefused(
            "what Temporal kept is encrypted, and the backup has the keys: set JOURNEYMAN_PAYLOAD_KEYS to the file "
            f"that they go to, such as {settings.state / 'payload.keys'}, here and wherever you start it"
        )
    here = settings.archive_location
    if manifest.archive and here != manifest.archive:
        raise BackupRefused(
            f"the archive of this backup is at {manifest.archive} and not in it, and here it would be {here}: set "
            f"JOURNEYMAN_ARCHIVE={manifest.archive}, or to a copy of that store under the same address"
        )
    if "archive" in tops and "://" in here:
        raise BackupRefused(
            f"the backup has the archive, as files, and here it would be {here}: leave JOURNEYMAN_ARCHIVE out, or name "
            "a folder"
        )


def _places(settings: Settings) -> dict[str, Path]:
    """Beside the database: name in the backup to where it is. Host ids are not among them.

    What was under way on the host is not in a backup: under another id it counts as lost, and tasks go on elsewhere.
    """
    archive = {} if "://" in settings.archive_location else {"archive": Path(settings.archive_location)}
    return {
        "keys": settings.keys_location,
        "forge": settings.forge_location,
        **archive,
        "journeyman.toml": settings.config_file,
        "security.toml": settings.security_file,
        **({"payload.keys": settings.payload_keys} if settings.payload_keys else {}),
    }


def _read(source: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json((source / _MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise BackupRefused(f"{source} is no complete backup: its {_MANIFEST} can't be read") from error
    if manifest.schema_version > SCHEMA_VERSION:
        raise BackupRefused(
            f"{source} was made by a newer Journeyman ({manifest.journeyman[:40]}): restore it with that version"
        )
    known = {"temporal", "keys", "forge", "archive", "journeyman.toml", "security.toml", "payload.keys"}
    for name in manifest.files:
        parts = name.split("/")
        if parts[0] not in known or any(part in {"", ".", ".."} for part in parts):
            raise BackupRefused(f"{source} is no backup of an installation: it names {name[:80]!r}")
    return manifest


def _copy_database(database: Path, to: Path) -> None:
    """By SQLite itself, which gives one state of it while the server writes."""
    to.parent.mkdir(mode=0o700)
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as live,
        closing(sqlite3.connect(to)) as copy,
    ):
        live.backup(copy)
    to.chmod(0o600)


def _copy(place: Path, to: Path, last: tuple[str, ...] = ()) -> None:
    """A file, or the files of a directory; what is written meanwhile belongs to the next backup.

    `last`: names in the directory that are copied after all others, in this order.
    """
    if place.is_file():
        shutil.copy2(place, to)
        return
    for folder in (place, *(place / name for name in last)):
        for file in _files(folder, but=last if folder == place else ()):
            target = to / file.relative_to(place)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileNotFoundError):
                shutil.copy2(file, target)


def _files(directory: Path, but: tuple[str, ...] = ()) -> Iterator[Path]:
    """Regular files, also by links to them. Leaves out what the archive has not finished writing (`NAME#1`).

    `but`: names in the directory itself to leave out. Raises BackupRefused for a link to a directory, OSError for what
    can't be read: a backup without them would not be one.
    """
    for folder, folders, names in os.walk(directory, onerror=_refuse_unreadable):
        if Path(folder) == directory:
            folders[:] = [name for name in folders if name not in but]
        for name in folders:
            if (Path(folder) / name).is_symlink():
                raise BackupRefused(
                    f"{Path(folder) / name} is a link, which a backup does not follow: put the directory itself there, "
                    "by a bind mount if it has to be elsewhere"
                )
        for name in sorted(names):
            file = Path(folder) / name
            if file.is_file() and "#" not in name:
                yield file


def _refuse_unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
