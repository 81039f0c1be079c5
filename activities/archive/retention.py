"""Removing artefacts of ended tasks that have outlived their kind's lifetime, each with a tombstone in its place.

What a line is explained by stays: entries with decisions and reasoning are no artefacts and never removed here. A blob
is removed only if nothing refers to it that still lives, in any task, and if nobody has stored the same bytes lately.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from activities.archive.artifacts import address
from activities.archive.chains import Chains
from activities.archive.contract import Tombstone
from activities.archive.ended import EndedTasks
from activities.archive.holdings import Holding, Holdings
from activities.archive.kinds import Kind
from activities.archive.objects import Objects
from activities.archive.tombstones import SignedTombstones
from workflows.models.artifact import ArtifactRef

Lifetimes = Mapping[Kind, timedelta | None]
"""From a task's end on; None is for ever. Kinds that are not named are kept for ever."""
SETTLED = timedelta(days=1)
"""How long ago a blob was stored last, at least: a step may have stored it that is yet to put it on record."""
_SWEPT = "swept"


@dataclass(frozen=True)
class Plan:
    """What may be removed now."""

    blobs: Mapping[ArtifactRef, Kind]
    traces: Mapping[str, str]
    """Trace to a task of it."""


def has_expired(kind: Kind | None, ended: datetime | None, lifetimes: Lifetimes, now: datetime) -> bool:
    """Whether a reference of a task keeps nothing alive any more. An open task's never does."""
    lifetime = lifetimes.get(kind) if kind is not None else None
    return ended is not None and lifetime is not None and ended + lifetime <= now


def plan(holdings: Iterable[Holding], lifetimes: Lifetimes, now: datetime) -> Plan:
    """What nothing that lives refers to, out of what all tasks hold."""
    dead: dict[str, tuple[ArtifactRef, Kind]] = {}
    alive: set[str] = set()
    dead_traces: dict[str, str] = {}
    living_traces: set[str] = set()
    for held in holdings:
        for kind, ref in held.artifacts:
            if kind is not None and has_expired(kind, held.ended, lifetimes, now):
                dead[ref.sha256] = ref, kind
            else:
                alive.add(ref.sha256)
        if has_expired(Kind.TRACE, held.ended, lifetimes, now):
            dead_traces[held.trace_id] = held.task_id
        else:
            living_traces.add(held.trace_id)
    return Plan(
        blobs={ref: kind for sha256, (ref, kind) in dead.items() if sha256 not in alive},
        traces={trace: task for trace, task in dead_traces.items() if trace and trace not in living_traces},
    )


def _last_day(lifetime: timedelta, now: datetime) -> date:
    """The last day whose tasks have all come of age; of lifetimes below a day, the last with any that may have."""
    day = (now - lifetime).date()
    return day - timedelta(days=1) if lifetime >= SETTLED else day


class Retention:
    """Sweeps an archive."""

    def __init__(self, objects: Objects, chains: Chains, tombstones: SignedTombstones, lifetimes: Lifetimes) -> None:
        """`tombstones`: with a key to sign them."""
        self._objects = objects
        self._holdings = Holdings(objects, chains)
        self._ended = EndedTasks(objects)
        self._tombstones = tombstones
        self._lifetimes = dict(lifetimes)
        log, evidence = lifetimes.get(Kind.LOG), lifetimes.get(Kind.EVIDENCE)
        if evidence is not None and (log is None or log > evidence):
            # Only evidence refers to what checks printed: gone before it, nobody would know whose that is.
            self._lifetimes[Kind.EVIDENCE] = log

    async def sweep(self, now: datetime) -> dict[str, int]:
        """Remove what has outlived its lifetime; returns how many of each kind. Idempotent, and several may do it.

        `now` is aware. Reads every record only if a task has come of age since the last time: once a day at most,
        since lifetimes end for all tasks of one day together.
        """
        due = await self._due(now)
        if not due:
            return {}
        holdings = [held async for held in self._holdings.all()]
        found = plan(holdings, self._lifetimes, now)
        removed: dict[str, int] = {}
        late: set[Kind] = set()
        for ref, kind in found.blobs.items():
            written = await self._objects.written_at(address(ref.sha256))
            if written is None:
                continue
            if written + min(SETTLED, self._lifetimes[kind] or SETTLED) > now:
                late.add(kind)
                continue
            await self._tombstones.put(self._stone(ref.sha256, ref.size, kind, ref.name, now))
            await self._objects.remove(address(ref.sha256))
            removed[kind] = removed.get(kind, 0) + 1
        for trace_id in found.traces:
            removed[Kind.TRACE] = removed.get(Kind.TRACE, 0) + await self._remove_trace(trace_id, now)
        ended = {held.task_id: held.ended for held in holdings}
        for kind, task_id in due:
            if kind not in late and has_expired(kind, ended.get(task_id), self._lifetimes, now):
                await self._objects.create(f"{_SWEPT}/{kind}/{task_id}", b"")
        return {kind: count for kind, count in removed.items() if count}

    async def _due(self, now: datetime) -> set[tuple[Kind, str]]:
        """Kind and task of what has come of age, and was not swept."""
        mortal = {kind: lifetime for kind, lifetime in self._lifetimes.items() if lifetime is not None}
        if not mortal:
            return set()
        swept = {tuple(name.split("/")[1:]) for name in await self._objects.names(_SWEPT)}
        ended = await self._ended.all()
        return {
            (kind, task_id)
            for kind, lifetime in mortal.items()
            for task_id, day in ended.items()
            if day <= _last_day(lifetime, now) and (str(kind), task_id) not in swept
        }

    async def _remove_trace(self, trace_id: str, now: datetime) -> int:
        names = await self._objects.names(f"traces/{trace_id}")
        if not names:
            return 0
        lines, size = [], 0
        for name in names:
            data = await self._objects.read(name) or b""
            size += len(data)
            lines.append(f"{name} {hashlib.sha256(data).hexdigest()}\n")
        digest = hashlib.sha256("".join(lines).encode()).hexdigest()
        name = f"trace of {len(names)} batches"
        stone = self._stone(digest, size, Kind.TRACE, name, now)
        await self._tombstones.put(stone.model_copy(update={"trace_id": trace_id}))
        for batch in names:
            await self._objects.remove(batch)
        return 1

    def _stone(self, sha256: str, size: int, kind: Kind, name: str, now: datetime) -> Tombstone:
        lifetime = self._lifetimes[kind]
        assert lifetime is not None, "what is kept for ever is never removed"
        days = lifetime / timedelta(days=1)
        return Tombstone(
            sha256=sha256,
            size=size,
            kind=kind,
            name=name,
            removed_at=now,
            rule=f"retention: {kind} artefacts are kept for {days:g} days after a task has ended",
        )
