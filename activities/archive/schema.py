"""The version of the archive as a whole: what is where in it, and what a program may count on.

| version | what changed |
|---|---|
| 0 | nothing is there yet: whoever uses it first states the newest version |
| 1 | states no version; entries, claims and what is signed state their own, which is 1 |
| 2 | states its version below `schema/`; `ended/` has the day on which each task ended; an entry may be forgotten |

A version is an object of its own, made once: the highest number counts, and no two programs can disagree about it.
What is content-addressed, hashed or signed stays as it is in an upgrade. All that is written is new and made by atomic
create, the version last: an upgrade that was killed is begun again and finds what it did.
"""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import metadata

from activities.archive.chains import Chains
from activities.archive.contract import SCHEMA_VERSION as ENTRY_VERSION
from activities.archive.ended import EndedTasks
from activities.archive.objects import ArchiveError, Objects
from activities.decisions.withdrawals import OUTCOME

ARCHIVE_VERSION = 2
_FOLDER = "schema"
_CONTENT = ("tasks", "intents", "repositories", "blobs")
_NAME = re.compile(r"schema/([0-9]{6})\.json")


class ArchiveTooOld(ArchiveError):
    """It has to be upgraded before it is used."""


class ArchiveTooNew(ArchiveError):
    """A newer program has upgraded it."""


async def version_of(objects: Objects) -> int:
    """The version of an archive: 0 if it is empty. Raises ArchiveError where it can't be told."""
    versions = []
    for name in await objects.names(_FOLDER):
        if (found := _NAME.fullmatch(name)) is None:
            raise ArchiveError(f"{name} is no version of an archive: remove it, or restore schema/ from a backup")
        versions.append(int(found[1]))
    if versions:
        return max(versions)
    for folder in _CONTENT:
        if await objects.any(folder):
            return 1
    return 0


async def require_current(objects: Objects) -> None:
    """State the version of a new archive. Raises ArchiveTooOld and ArchiveTooNew, with words that say what to do."""
    if await readable_version(objects) == 0:
        await _state(objects)


async def readable_version(objects: Objects) -> int:
    """The same, and writes nothing: 0 of a new archive, else the version that this program writes."""
    version = await version_of(objects)
    if version > ARCHIVE_VERSION:
        raise ArchiveTooNew(
            f"the archive has version {version}{await _written_by(objects, version)} and this Journeyman reads "
            f"{ARCHIVE_VERSION} and older ones only: install that newer version again, or restore the backup from "
            "before its upgrade; nothing was changed"
        )
    if 0 < version < ARCHIVE_VERSION:
        raise ArchiveTooOld(
            f"the archive has version {version}, from an older Journeyman, and this one writes {ARCHIVE_VERSION}: type "
            "`journeyman upgrade --dry-run` to see what would be done, then `journeyman upgrade --backup DIRECTORY`"
        )
    return version


async def upgrade(objects: Objects, chains: Chains, *, dry_run: bool) -> AsyncIterator[str]:
    """Bring an archive to the newest version and tell each thing that is done, before it is. Idempotent.

    Nobody else may use it meanwhile. Whatever can't be read is told and left as it is: it is no better without an
    upgrade, and nothing else waits for it. Raises ArchiveTooNew.
    """
    version = await version_of(objects)
    if version in {0, ARCHIVE_VERSION} or version > ARCHIVE_VERSION:
        await readable_version(objects)
        yield f"the archive has version {version or 'none yet'}: there is nothing to upgrade"
        return
    yield f"the archive has version {version}; {'would become' if dry_run else 'becomes'} {ARCHIVE_VERSION}"
    async for line in _index_ended(objects, chains, dry_run=dry_run):
        yield line
    async for line in _unreadable_claims(objects):
        yield line
    if not dry_run:
        await _state(objects)
        yield f"the archive has version {ARCHIVE_VERSION} now"


async def _index_ended(objects: Objects, chains: Chains, *, dry_run: bool) -> AsyncIterator[str]:
    index, there = EndedTasks(objects), await EndedTasks(objects).all()
    known = ended = 0
    for task_id in await chains.task_ids():
        known += 1
        try:
            entries = await chains.entries(task_id)
        except ArchiveError as error:
            yield f"left as it is, and never swept: {error}"
            continue
        outcome = next((entry for entry in entries if entry.kind == OUTCOME), None)
        if outcome is None:
            continue
        ended += 1
        if task_id not in there and not dry_run:
            await index.add(task_id, datetime.fromisoformat(outcome.recorded_at))
    yield f"{known} tasks were looked at; {ended} that have ended are{' to be' * dry_run} noted by the day in ended/"


async def _unreadable_claims(objects: Objects) -> AsyncIterator[str]:
    count = 0
    for name in await objects.names("intents"):
        count += 1
        try:
            record = json.loads(await objects.read(name) or b"{}")
            if int(record.get("schema_version", 1)) > ENTRY_VERSION or not record.get("key"):
                raise ValueError("it is of a newer version, or has no key")
        except (ValueError, AttributeError, TypeError) as error:
            yield f"left as it is: {name} can't be read ({error}); asking for that intent will say so"
    yield f"{count} objects of the intent index stay as they are"


async def _state(objects: Objects) -> None:
    stated = {
        "schema_version": ARCHIVE_VERSION,
        "journeyman": metadata.version("journeyman"),
        "at": datetime.now(UTC).isoformat(),
    }
    await objects.create(f"{_FOLDER}/{ARCHIVE_VERSION:06d}.json", json.dumps(stated).encode())


async def _written_by(objects: Objects, version: int) -> str:
    try:
        stated = json.loads(await objects.read(f"{_FOLDER}/{version:06d}.json") or b"{}")
        return f" (of Journeyman {str(stated['journeyman'])[:40]})"
    except (ValueError, KeyError, TypeError):
        return ""
