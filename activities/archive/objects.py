"""The archive's object store: a folder by default, S3, GCS or Azure by URL, with atomic create on all of them."""

from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url


class ArchiveError(Exception):
    """Something on record is missing or was changed; the message names what and where."""


class Objects:
    """Named immutable objects. Nothing is ever overwritten through this class."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, location: str) -> "Objects":
        """Open a folder (created if missing) or an object store's URL such as `s3://bucket/prefix`."""
        if "://" in location:
            return cls(from_url(location))
        folder = Path(location)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(LocalStore(folder))

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

    async def names(self, prefix: str) -> list[str]:
        """All names below a prefix, which is a whole path segment, sorted."""
        found: list[str] = []
        async for batch in obstore.list(self._store, prefix=prefix):
            found += [entry["path"] for entry in batch]
        return sorted(found)
