"""What each task holds in the archive: all of it has to be known before anything of it may be removed."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from activities.archive.artifacts import address
from activities.archive.chains import Chains
from activities.archive.kinds import Kind, kind_of, references_in, references_of
from activities.archive.objects import ArchiveError, Objects
from activities.decisions.admissions import ADMISSION
from activities.decisions.withdrawals import OUTCOME
from workflows.models.artifact import ArtifactRef
from workflows.models.trace import trace_of


@dataclass(frozen=True)
class Holding:
    """One task's."""

    task_id: str
    ended: datetime | None
    """None while it is open, or if its record can't be read: nothing of it is touched."""
    trace_id: str = ""
    artifacts: frozenset[tuple[Kind | None, ArtifactRef]] = field(default=frozenset())


class Holdings:
    """Reads them from the chains, and from the evidence that these refer to."""

    def __init__(self, objects: Objects, chains: Chains) -> None:
        self._objects = objects
        self._chains = chains

    async def all(self) -> AsyncIterator[Holding]:
        """Every task's. Reads every entry of every task."""
        for task_id in await self._chains.task_ids():
            yield await self.of(task_id)

    async def of(self, task_id: str) -> Holding:
        """One task's. Raises ArchiveError if it can't even be told what its broken record refers to."""
        ended, trace_id = None, ""
        found: set[tuple[Kind | None, ArtifactRef]] = set()
        try:
            entries = await self._chains.entries(task_id)
        except ArchiveError:
            return Holding(task_id, None, "", frozenset((None, ref) for ref in await self._torn(task_id)))
        for entry in entries:
            if entry.kind == OUTCOME:
                ended = datetime.fromisoformat(entry.recorded_at)
            if entry.kind == ADMISSION:
                trace_id = trace_of(task_id, _trace(entry.data)).trace_id
            found.update(references_of(entry))
        for ref in {ref for _, ref in found if ref.name == "evidence.json"}:
            found.update((kind_of(inner.name), inner) for inner in await self._inside(ref))
        return Holding(task_id, ended, trace_id, frozenset(found))

    async def _inside(self, evidence: ArtifactRef) -> Iterable[ArtifactRef]:
        try:
            return list(references_in(json.loads(await self._objects.read(address(evidence.sha256)) or b"{}")))
        except ValueError:
            # Damaged, which whoever looks at it is told.
            return ()

    async def _torn(self, task_id: str) -> set[ArtifactRef]:
        found: set[ArtifactRef] = set()
        for name in await self._objects.names(f"tasks/{task_id}"):
            try:
                found.update(references_in(json.loads(await self._objects.read(name) or b"{}")))
            except ValueError as error:
                raise ArchiveError(
                    f"{name} can't be read, so it is not known what it refers to, and nothing is removed: restore the "
                    "archive from a backup"
                ) from error
        return found


def _trace(data: dict[str, object]) -> str:
    task = data.get("task")
    return str(task.get("trace", "")) if isinstance(task, dict) else ""
