"""Places on this host: each task that has a workspace here holds one, from prepare to release.

On disk, so that a worker that restarts still knows what it holds. The supply of places is what makes a full host stop
taking work: it asks the queue for more only while one is free.
"""

import asyncio
import contextlib
import logging
import os
import time
from pathlib import Path

from pydantic import ValidationError
from temporalio.worker import CustomSlotSupplier, SlotPermit
from temporalio.worker import SlotMarkUsedContext as MarkUsed
from temporalio.worker import SlotReleaseContext as Release
from temporalio.worker import SlotReserveContext as Reserve

from activities.host.layout import workspace_name
from activities.host.room import Room
from workflows.models.base import Model

_TELL_SECONDS = 60.0
_log = logging.getLogger(__name__)


class StalePlacement(Exception):
    """An order names an epoch that another placement has overtaken; its result must not count."""


class Held(Model):
    """One place that is taken."""

    task_id: str
    epoch: int
    uid: int | None = None
    """As root: the uid that owns the workspace and runs its sandboxes."""
    first_epoch: int = 0
    """Of the placements that had this workspace, one taking it over from the other; 0: this is the first."""
    base_commit: str = ""
    """What the workspace was made from; empty until it is complete."""

    @property
    def workspace(self) -> str:
        """Name of the workspace. It stays the same when it is taken over: runs that go on have it under this name."""
        return workspace_name(self.task_id, self.first_epoch or self.epoch)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What begins the names of everything that belongs to this place."""
        epochs = range(self.first_epoch or self.epoch, self.epoch + 1)
        return tuple(workspace_name(self.task_id, epoch) for epoch in epochs)


class Placements:
    """The places of one host."""

    def __init__(self, directory: Path, capacity: int) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._capacity = capacity
        self.changed = asyncio.Event()

    def take(self, held: Held) -> Held:
        """Take a place for an epoch of a task, or find that it is taken. Raises StalePlacement for an older epoch."""
        current = self.find(held.task_id)
        if current is not None and current.epoch == held.epoch:
            return current
        if current is not None and current.epoch > held.epoch:
            raise StalePlacement(f"task {held.task_id} was placed here again since (epoch {current.epoch})")
        self._write(held)
        return held

    def complete(self, held: Held, base_commit: str) -> Held:
        """Note that the workspace is made, so that a later epoch may take it over. Raises StalePlacement."""
        self.expect(held.task_id, held.epoch)
        held = held.model_copy(update={"base_commit": base_commit})
        self._write(held)
        return held

    def take_over(self, held: Held, epoch: int) -> Held:
        """Pass a place on to a later epoch of its task, with everything in it. Raises StalePlacement."""
        self.expect(held.task_id, held.epoch)
        first = held.first_epoch or held.epoch
        return self.take(held.model_copy(update={"epoch": epoch, "first_epoch": first}))

    def expect(self, task_id: str, epoch: int) -> Held:
        """The place of exactly this epoch. Raises StalePlacement if it was given back or taken anew."""
        current = self.find(task_id)
        if current is None or current.epoch != epoch:
            raise StalePlacement(f"task {task_id} has no workspace of epoch {epoch} here any more")
        return current

    def find(self, task_id: str) -> Held | None:
        """The place a task holds here, if any."""
        with contextlib.suppress(FileNotFoundError, ValidationError):
            return Held.model_validate_json(self._path(task_id).read_bytes())
        return None

    def all(self) -> list[Held]:
        """Every place that is taken."""
        found = (self.find(path.stem) for path in sorted(self._directory.glob("*.json")))
        return [held for held in found if held is not None]

    def give_back(self, task_id: str) -> None:
        """Free a place. Idempotent."""
        for file in (self._path(task_id), *self._directory.glob(f"{task_id}.*")):
            # With drafts of a process that was killed.
            file.unlink(missing_ok=True)
        self.changed.set()

    @property
    def free(self) -> int:
        """Places not taken; may be negative after the capacity was lowered."""
        return self._capacity - len(self.all())

    def _write(self, held: Held) -> None:
        path = self._path(held.task_id)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(held.model_dump_json())
        draft.rename(path)

    def _path(self, task_id: str) -> Path:
        if not task_id.isalnum():
            raise ValueError(f"refused: {task_id!r} is no task id")
        return self._directory / f"{task_id}.json"


class PlaceSupplier(CustomSlotSupplier):
    """Lets a worker poll for placements only while a place is free: the queue itself holds what is too much.

    With a full disk it asks for one a minute, which prepare refuses: a task that waits hears why, and those that other
    hosts have room for go to them.
    """

    def __init__(self, placements: Placements, room: Room) -> None:
        self._placements = placements
        self._room = room
        self._reserved = 0
        self._full = ""
        self._told = 0.0

    async def reserve_slot(self, ctx: Reserve) -> SlotPermit:
        """Wait until a place is free and not promised to another poll."""
        while (permit := self.try_reserve_slot(ctx)) is None:
            self._placements.changed.clear()
            # A place is given back by this process, which tells; or by a sweep of another, which does not.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._placements.changed.wait(), timeout=1)
        return permit

    def try_reserve_slot(self, ctx: Reserve) -> SlotPermit | None:
        """A permit if a place is free now."""
        if self._placements.free - self._reserved <= 0 or not self._has_room():
            return None
        self._reserved += 1
        return SlotPermit()

    def _has_room(self) -> bool:
        full = self._room.why_not()
        if full and not self._full:
            _log.error("tasks are left in the queue: %s", full)
        if self._full and not full:
            _log.warning("tasks are taken again: there is room on the disk")
        self._full = full
        if not full:
            return True
        if self._reserved or time.monotonic() - self._told < _TELL_SECONDS:
            return False
        self._told = time.monotonic()
        return True

    def mark_slot_used(self, ctx: MarkUsed) -> None:
        """The place itself is recorded by the prepare step."""

    def release_slot(self, ctx: Release) -> None:
        """The step is over: the place is now either recorded as taken, or free."""
        self._reserved = max(0, self._reserved - 1)
        self._placements.changed.set()
