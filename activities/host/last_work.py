"""The work of a run that somebody stopped: its tree is kept as the task's patch before its workspace goes."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from activities.decisions.attested import Attested, AttestedPatch
from activities.host.placements import Held
from activities.host.preparations import Preparations
from activities.repository.export import Exporter
from activities.repository.git import Git, GitError
from activities.repository.intake import ExportRefused
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from activities.repository.workspace import Workspaces
from workflows.models.halt import OWN
from workflows.models.patch import Patch
from workflows.models.run import RunEnd

_MOST_SECONDS = 60.0
"""Within `timeouts.RELEASE`, which whoever gives a workspace back has."""
_log = logging.getLogger(__name__)


class LastWork:
    """Asked when every process of a placement is dead and its workspace is still there."""

    def __init__(
        self,
        *,
        git: Git,
        preparations: Preparations,
        mirrors: Mirrors,
        workspaces: Workspaces,
        exporter: Exporter,
        patches: Patches,
        attested: Attested,
    ) -> None:
        self._git = git
        self._preparations = preparations
        self._mirrors = mirrors
        self._workspaces = workspaces
        self._exporter = exporter
        self._patches = patches
        self._attested = attested

    async def keep(self, held: Held, ended: Iterable[str]) -> Patch | None:
        """What the last of these runs had done; None if it came to an end of its own, or nothing was changed.

        A workspace goes whether its work could be kept or not: whoever stopped a run does not wait for more.
        """
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                return await self._keep(held, frozenset(ended))
        except (ExportRefused, GitError, OSError, TimeoutError, ValueError) as error:
            _log.warning("the work of task %s was not kept: %s", held.task_id, error)
            return None

    async def _keep(self, held: Held, ended: frozenset[str]) -> Patch | None:
        runs = [run for run in await self._attested.runs(held.task_id) if run.run_id in ended]
        note = self._preparations.read(held.task_id)
        if not runs or runs[-1].end is not RunEnd.STOPPED or note is None:
            return None
        run, base = runs[-1], note.prepared.base_commit
        mirror = self._mirrors.of(note.task.repository.url)
        name = held.workspace
        # The host's own, as nobody's work: what somebody cancels during a halt is kept, and does not wait for its end.
        exported = await self._exporter.export(
            name, self._workspaces.path(name), mirror, base, held.uid, note.prepared.policy.image, OWN
        )
        base_tree = await self._git.line("rev-parse", f"{base}^{{tree}}", purpose="reading base", git_dir=mirror.path)
        if exported.tree == base_tree:
            return None
        patch = await self._patches.make(
            mirror,
            f"{run.run_id}-last",
            base=base,
            tree=exported.tree,
            left_out=exported.left_out,
            message=f"Work of {run.run_id} when it was stopped\n",
            when=datetime.now(UTC),
        )
        await self._attested.add_patch(held.task_id, AttestedPatch(patch=patch, run_id=run.run_id))
        return patch
