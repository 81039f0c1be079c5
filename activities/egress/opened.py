"""Which sandboxes have a way out: kept on disk, so that any worker can bring all of it back."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from activities.egress.contract import SOCKET_NAME, EgressRecord, EgressRules
from activities.egress.packages import upstreams_of
from activities.egress.places import ENVOY_UID, GatewayError, Places, write_aside
from activities.egress.services import Upstream
from workflows.models.base import Model


class Opened(Model):
    """One sandbox's way out, as it should be."""

    sandbox: str
    rules: EgressRules
    uid: int | None
    slot: int
    """Names the log file. Slots are used again, since Envoy keeps a thread for every log it ever wrote."""
    keyless: tuple[str, ...] = ()
    """Names of credentials that stand for none, as the gateway knew that opened it."""

    @property
    def key(self) -> str:
        """Names its files and its listener."""
        return key(self.sandbox)

    def upstreams(self) -> tuple[Upstream, ...]:
        """Of its brokered services, in their order."""
        return tuple(Upstream.of(service, self.keyless) for service in self.rules.brokered)

    @cached_property
    def all_upstreams(self) -> tuple[Upstream, ...]:
        """The same, and those of its packages."""
        return (*self.upstreams(), *upstreams_of(self.rules.packages))


class OpenList:
    """All that is open, and the records of what was. Callers hold the gateway's lock."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._read: dict[Path, tuple[tuple[int, int, int], Opened]] = {}

    def all(self) -> list[Opened]:
        """In a fixed order. One that is still the same is the same object: it may have ten thousands of files."""
        before, self._read = self._read, {}
        for path in sorted(self._places.kept.glob("open-*.json")):
            # A file is replaced, never written to: see write_aside.
            found = path.stat()
            facts = (found.st_ino, found.st_mtime_ns, found.st_size)
            known = before.get(path)
            same = known is not None and known[0] == facts
            self._read[path] = known if known and same else (facts, Opened.model_validate_json(path.read_text()))
        return [opened for _, opened in self._read.values()]

    def find(self, sandbox: str) -> Opened | None:
        """The one that is open for a sandbox."""
        return next((each for each in self.all() if each.sandbox == sandbox), None)

    def expect(self, sandbox: str) -> Opened:
        """The same. Raises GatewayError if there is none."""
        found = self.find(sandbox)
        if found is None:
            raise GatewayError(f"the sandbox {sandbox} has no egress listener to change: open one first")
        return found

    def free_slot(self) -> int:
        """One that nobody's log has."""
        taken = {each.slot for each in self.all()}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def keep(self, opened: Opened) -> None:
        """Put on disk that it should be open, or how it should be now."""
        write_aside(self._state(opened.sandbox), opened.model_dump_json())

    def drop(self, sandbox: str) -> None:
        """It should be open no longer."""
        self._state(sandbox).unlink()

    def make_directory(self, opened: Opened) -> Path:
        """The socket's directory: Envoy makes the socket in it, the sandbox's uid alone may reach it."""
        directory = self.directory(opened.sandbox)
        directory.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            group = ENVOY_UID if opened.uid is None else opened.uid
            os.chown(directory, ENVOY_UID, group)
            # Set-group-id, so that each socket Envoy makes here, after a restart too, is the sandbox's group's.
            directory.chmod(0o2750)
        return directory

    def remove_directory(self, sandbox: str) -> None:
        """Remove it, with whatever socket is left in it."""
        shutil.rmtree(self.directory(sandbox), ignore_errors=True)

    def directory(self, sandbox: str) -> Path:
        """Where the socket is."""
        return self._places.sandboxes / key(sandbox)

    def socket(self, sandbox: str) -> Path:
        """The socket."""
        return self.directory(sandbox) / SOCKET_NAME

    def log(self, opened: Opened) -> Path:
        """Where Envoy writes its requests."""
        return self._places.logs / f"requests-{opened.slot}.jsonl"

    def records(self, sandbox: str) -> tuple[EgressRecord, ...]:
        """Every request of a sandbox that was closed, from each time that it was open."""
        try:
            lines = self._records(sandbox).read_text().splitlines()
        except FileNotFoundError:
            return ()
        return tuple(EgressRecord.model_validate_json(line) for line in lines)

    def keep_records(self, sandbox: str, records: Sequence[EgressRecord]) -> None:
        """Put its requests on disk, in place of those that are there."""
        write_aside(self._records(sandbox), "".join(f"{record.model_dump_json()}\n" for record in records))

    def forget_records(self, sandbox: str) -> None:
        """Remove them."""
        self._records(sandbox).unlink(missing_ok=True)

    def _state(self, sandbox: str) -> Path:
        return self._places.kept / f"open-{key(sandbox)}.json"

    def _records(self, sandbox: str) -> Path:
        return self._places.kept / f"records-{key(sandbox)}.jsonl"


def key(sandbox: str) -> str:
    """A short name for files and listeners, whatever the sandbox is called."""
    return hashlib.sha256(sandbox.encode()).hexdigest()[:16]


def distinct_upstreams(each: Sequence[Opened]) -> tuple[Upstream, ...]:
    """The upstreams of all that is open: services that differ in their paths alone share one."""
    return tuple({upstream.name: upstream for opened in each for upstream in opened.all_upstreams}.values())
