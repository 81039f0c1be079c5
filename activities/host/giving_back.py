"""Giving a place back: what runs there ends, what it said and did is kept, what it had is removed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakValueDictionary

from activities.egress.contract import EgressGateway
from activities.host.last_words import LastWords
from activities.host.last_work import LastWork
from activities.host.layout import HostLayout
from activities.host.losses import Losses
from activities.host.placements import Held, Placements
from activities.host.preparations import Preparations
from activities.host.strays import strays
from activities.removal import remove
from activities.repository.workspace import Workspaces
from activities.sandbox.contract import Sandboxes
from workflows.models.patch import Patch


class GivingBack:
    """Ends what a placement has on this host."""

    def __init__(
        self,
        *,
        layout: HostLayout,
        placements: Placements,
        preparations: Preparations,
        sandboxes: Sandboxes,
        gateway: EgressGateway,
        workspaces: Workspaces,
        last_words: LastWords,
        last_work: LastWork,
    ) -> None:
        self._layout = layout
        self._placements = placements
        self._preparations = preparations
        self._sandboxes = sandboxes
        self._gateway = gateway
        self._workspaces = workspaces
        self._last_words = last_words
        self._last_work = last_work
        self._losses = Losses(layout.losses)
        self._alone: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def alone(self, task_id: str) -> AsyncIterator[None]:
        """One at a time takes, passes on or gives back what a task has here: a sweep, its release, its next epoch."""
        async with self._alone.setdefault(task_id, asyncio.Lock()):
            yield

    async def give_back(self, held: Held) -> Patch | None:
        """Stop what runs for a placement, keep the work of a run that is, remove what it has, and free its place.

        Nothing, if that was done meanwhile or a later epoch has taken it over: whoever looked before may know less.
        """
        async with self.alone(held.task_id):
            current = self._placements.find(held.task_id)
            if current is None or current.epoch != held.epoch:
                return None
            return await self._give_back(current)

    async def _give_back(self, held: Held) -> Patch | None:
        ended: list[str] = []
        for prefix in held.prefixes:
            ended += await self.clear(held.task_id, prefix, (f"{prefix}-", f"{prefix}.", f"export-{prefix}"))
        kept = await self._last_work.keep(held, ended)
        for prefix in held.prefixes:
            # What kept the work may have been stopped in the middle.
            await self.clear(held.task_id, prefix, (f"export-{prefix}",))
            await self._remove(prefix)
        self._preparations.forget(held.task_id)
        self._placements.give_back(held.task_id)
        # Last: a placement that is still there after a crash would give back a uid that is another's by then.
        self._sandboxes.give_back_uid(held.uid)
        return kept

    async def clear_strays(self) -> list[str]:
        """Remove what belongs to no placement any more; returns the tasks it was begun for."""
        folders = [folder.name for place in self._layout.of_placements for folder in place.iterdir()]
        names = [*self._sandboxes.known_runs(), *await self._gateway.opened(), *self._workspaces.names(), *folders]
        found = strays(names, self._placements.all())
        cleared = set()
        for prefix, task_id in found.items():
            async with self.alone(task_id):
                if not strays([prefix], self._placements.all()):
                    # Another attempt of the step has taken the place meanwhile, with the same epoch.
                    continue
                await self.clear(task_id, prefix, (f"{prefix}-", f"{prefix}.", f"export-{prefix}"))
                await self._remove(prefix)
                cleared.add(task_id)
        return sorted(cleared)

    async def _remove(self, prefix: str) -> None:
        """What of a placement is no run: its workspace, its directories, and ways out for runs that were never made."""
        for sandbox in await self._gateway.opened():
            if sandbox.startswith(f"{prefix}-"):
                await self._gateway.close(sandbox)
                await self._gateway.forget(sandbox)
        await self._workspaces.remove(prefix)
        for place in self._layout.of_placements:
            for folder in place.iterdir():
                # What read the workspace is under its name, too, and may have ended in the middle.
                if folder.name == prefix or folder.name.startswith(f"{prefix}-"):
                    await asyncio.to_thread(remove, folder)
        self._losses.forget(f"{prefix}-")

    async def clear(self, task_id: str, prefix: str, beginnings: tuple[str, ...]) -> list[str]:
        """End and forget the runs of a placement whose ids begin so, which it returns, and remove its checkouts."""
        ended = []
        for run_id in self._sandboxes.known_runs():
            if run_id.startswith(beginnings):
                with contextlib.suppress(LookupError):
                    await self._sandboxes.stop(run_id, "the task no longer needs it")
                records = await self._gateway.close(run_id)
                with contextlib.suppress(LookupError):
                    await self._last_words.keep(task_id, run_id, records)
                    await self._sandboxes.forget(run_id)
                await self._gateway.forget(run_id)
                ended.append(run_id)
        for name in self._workspaces.names():
            if name.startswith(f"{prefix}."):
                await self._workspaces.remove(name)
        return ended
