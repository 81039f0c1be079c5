"""What a host keeps for the next task, and for how long: mirrors and environment layers that nobody used go away.

Both are made again when they are wanted, so a lifetime costs time and loses nothing. When each was used last is on
disk, beside it: a worker that restarts forgets nothing. What ended tasks leave in the archive is swept with them: any
host can do it, and each comes by often enough.
"""

import time
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.archive.retention import Retention
from activities.environment.layer import EnvironmentLayers
from activities.failures import step
from activities.host.placements import Placements
from activities.host.preparations import Preparations
from activities.repository.mirror import Mirrors
from workflows.models.steps import Nothing, Swept


class LifetimeActivities:
    """Implements `sweep` of steps.HostSteps."""

    def __init__(
        self,
        *,
        placements: Placements,
        preparations: Preparations,
        mirrors: Mirrors,
        layers: EnvironmentLayers,
        mirror_lifetime: timedelta,
        layer_lifetime: timedelta,
        retention: Retention,
    ) -> None:
        self._placements = placements
        self._preparations = preparations
        self._mirrors = mirrors
        self._layers = layers
        self._mirror_lifetime = mirror_lifetime
        self._layer_lifetime = layer_lifetime
        self._retention = retention

    @activity.defn(name="sweep")
    @step
    async def sweep(self, order: Nothing) -> Swept:
        """Remove what is older than its lifetime, but nothing that a placement or an open task uses. Idempotent."""
        swept = await self._sweep_host()
        artifacts = await self._retention.sweep(datetime.now(UTC))
        return swept.model_copy(update={"artifacts": artifacts})

    async def _sweep_host(self) -> Swept:
        # A placement that is being made has no note yet of what it uses: everything waits for the next sweep.
        notes = [self._preparations.read(held.task_id) for held in self._placements.all()]
        used = [note for note in notes if note is not None]
        if len(used) < len(notes):
            return Swept()
        repositories = {note.task.repository.url for note in used}
        layers = {note.prepared.layer for note in used}
        now = time.time()
        return Swept(
            mirrors=await self._mirrors.remove_unused(now - self._mirror_lifetime.total_seconds(), keep=repositories),
            layers=await self._layers.remove_unused(now - self._layer_lifetime.total_seconds(), keep=layers),
        )
