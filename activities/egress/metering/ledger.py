"""One sandbox's usage on disk, exact at any moment at which the meter could be killed.

A request that is under way has a file of its own, overwritten in place with each piece of its answer. One that has
ended is a line in the journal. A request that is in both has ended: the line counts. Nothing is synced to the disk:
this outlives processes, not power cuts, and neither do the sandboxes.
"""

import contextlib
import os
import stat
from pathlib import Path

from pydantic import ValidationError

from activities.egress.metering.cost import total
from workflows.models.base import Model
from workflows.models.usage import Metered

JOURNAL = "finished.jsonl"
_OPEN = "open-"
_HELD = "held"
_MOST_READ = 256 * 1024 * 1024
_PAD = 1024


class Entry(Model):
    """One request of a sandbox's at a brokered service."""

    id: str
    began: str
    """RFC 3339, UTC."""
    host: str
    """The name inside."""
    method: str
    path: str
    rule: str = ""
    status: int = 0
    model: str = ""
    metered: Metered = Metered()
    """Of this request alone."""
    duration_ms: int = 0


class Ledger:
    """The meter's own view, and the only writer. Raises OSError when the disk does not take it: nothing then passes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[str, Entry] = {}
        self._files: dict[str, int] = {}
        directory.mkdir(exist_ok=True)
        finished, left = _read(directory)
        self._journal = os.open(directory / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._finished = total(entry.metered for entry in finished.values())
        if finished or left:
            # A line may have been cut when the disk was full.
            os.write(self._journal, b"\n")
        for entry in left.values():
            # The meter died under these: what had been seen of them counts.
            if entry.id not in finished:
                self._append(entry)
            self._file(entry.id).unlink(missing_ok=True)

    def used(self) -> Metered:
        """Everything so far, what is under way included."""
        return total((self._finished, *(entry.metered for entry in self._open.values())))

    def begin(self, entry: Entry) -> None:
        """Count a request from now on."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._files[entry.id] = os.open(self._file(entry.id), flags, 0o600)
        self.update(entry)

    def update(self, entry: Entry) -> None:
        """Note how far a request has come."""
        if entry.id not in self._files:
            return
        self._open[entry.id] = entry
        text = entry.model_dump_json().encode()
        # One write of always the same length or more, so that no older text shows behind a shorter new one.
        os.pwrite(self._files[entry.id], text.ljust(-(-len(text) // _PAD) * _PAD), 0)

    def finish(self, entry: Entry) -> None:
        """Note what a request used in the end."""
        if entry.id in self._files:
            self._append(entry)
            self.abandon(entry.id)

    def abandon(self, entry_id: str) -> None:
        """Count a request no longer: it never left."""
        self._open.pop(entry_id, None)
        self._file(entry_id).unlink(missing_ok=True)
        with contextlib.suppress(OSError, KeyError):
            os.close(self._files.pop(entry_id))

    def hold(self, limit: str) -> None:
        """Note that a limit holds requests back, or with an empty name that none does."""
        if limit:
            (self._directory / _HELD).touch(0o600)
        else:
            (self._directory / _HELD).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files; what is noted after that is lost, and belongs to a sandbox that is gone."""
        for descriptor in (self._journal, *self._files.values()):
            os.close(descriptor)
        self._files.clear()

    def _append(self, entry: Entry) -> None:
        os.write(self._journal, entry.model_dump_json().encode() + b"\n")
        self._finished = total((self._finished, entry.metered))

    def _file(self, entry_id: str) -> Path:
        return self._directory / f"{_OPEN}{entry_id}"


def read_entries(directory: Path) -> tuple[Entry, ...]:
    """All requests of a sandbox in the order in which they began; for whoever is not the meter. Never raises."""
    finished, left = _read(directory)
    return tuple(sorted({**left, **finished}.values(), key=lambda entry: entry.began))


def has_open(directory: Path) -> bool:
    """Whether a request is under way."""
    with contextlib.suppress(OSError):
        return any(name.startswith(_OPEN) for name in os.listdir(directory))  # noqa: PTH208
    return False


def has_held(directory: Path) -> bool:
    """Whether a request is being held, or was when it was last heard of."""
    return os.path.lexists(directory / _HELD)


def _read(directory: Path) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """What has ended and what has not. The latter first: what ends in between is then in both."""
    left: dict[str, Entry] = {}
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(directory)):  # noqa: PTH208  read by another user's process: names only
            if name.startswith(_OPEN):
                left.update((entry.id, entry) for entry in _entries(_content(directory / name)))
    finished = {entry.id: entry for entry in _entries(_content(directory / JOURNAL))}
    return finished, left


def _entries(content: bytes) -> list[Entry]:
    found = []
    for line in content.splitlines():
        with contextlib.suppress(ValidationError):
            found.append(Entry.model_validate_json(line))
    return found


def _content(path: Path) -> bytes:
    """A file in a directory that another user can write: never follows a link, never waits on what is not a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_MOST_READ) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
