"""The archive's object store: a folder by default, S3, GCS or Azure by URL, with atomic create on all of them."""

import contextlib
from datetime import datetime
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

_SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "file", "memory")
_PROBE = "probe"


class ArchiveError(Exception):
    """Something on record is missing or was changed; the message names what and where."""


class ArtifactRemoved(ArchiveError):
    """It was removed on purpose; the message says when and by which rule."""


class Objects:
    """Named objects. Nothing changes but by `replace` and `remove`, which say who may use them."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, location: str) -> "Objects":
        """Open a folder (created if missing) or an object store's URL such as `s3://bucket/prefix`."""
        scheme, colon, _ = location.partition("://")
        if colon:
            if scheme not in _SCHEMES:
                raise ArchiveError(f"the archive can't be at {location}: there are {', '.join(_SCHEMES)}, and folders")
            try:
                return cls(from_url(location))
            except BaseError as error:
                raise ArchiveError(f"the archive can't be at {location}: {str(error).splitlines()[0]}") from error
        folder = Path(location)
        if not folder.is_absolute():
            raise ArchiveError(
                f"the archive can't be at {location!r}: give a folder's full path, or an address such as s3://BUCKET"
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(LocalStore(folder))

    async def probe(self) -> None:
        """Raises ArchiveError unless something can be put there and is found: before any work depends on it."""
        try:
            await self.create(_PROBE, b"")
            if await self.read(_PROBE) is None:
                raise ArchiveError("what was put into the archive is not found there")
        except (BaseError, OSError) as error:
            raise ArchiveError(f"the archive can't be used: {str(error).splitlines()[0][:300]}") from error

    async def create(self, name: str, data: bytes) -> bool:
        """Create the object and return True, or return False if there is one by that name."""
        try:
            await obstore.put_async(self._store, name, data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    async def read(self, name: str) -> bytes | None:
        """The object's bytes, or None if there is no such object."""
        try:
            result = await obstore.get_async(self._store, name)
            return bytes(await result.bytes_async())
        except FileNotFoundError:
            return None

    async def replace(self, name: str, data: bytes) -> None:
        """Write the object whether it is there or not, whole or not at all.

        For what is not content of its own: a blob's same bytes again, notes of what was removed, what was forgotten.
        """
        await obstore.put_async(self._store, name, data)

    async def remove(self, name: str) -> None:
        """Remove the object for good. Missing is fine: it was removed before."""
        with contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    async def written_at(self, name: str) -> datetime | None:
        """When the object was written last; None if there is no such object."""
        try:
            return (await obstore.head_async(self._store, name))["last_modified"]
        except FileNotFoundError:
            return None

    async def any(self, prefix: str) -> bool:
        """Whether there is anything below a prefix, which is a whole path segment."""
        async for batch in obstore.list(self._store, prefix=prefix, chunk_size=1):
            if batch:
                return True
        return False

    async def names(self, prefix: str) -> list[str]:
        """All names below a prefix, which is a whole path segment, sorted."""
        found: list[str] = []
        async for batch in obstore.list(self._store, prefix=prefix):
            found += [entry["path"] for entry in batch]
        return sorted(found)
