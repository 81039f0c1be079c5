"""Bringing an agent's work out of the workspace, as a patch on record."""

from collections.abc import Callable
from datetime import datetime

from temporalio import activity

from activities.decisions.attested import Attested, AttestedPatch
from activities.failures import step
from activities.forge.attribution import commit_message
from activities.host.placements import Placements
from activities.host.preparations import Preparations
from activities.repository.export import Exporter
from activities.repository.git import Git
from activities.repository.intake import ExportRefused
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from activities.repository.workspace import Workspaces
from workflows.models.halt import Work
from workflows.models.patch import ExportResult
from workflows.models.person import Person
from workflows.models.steps import ExportOrder


class ExportingActivities:
    """Implements `export_patch` of steps.HostSteps."""

    def __init__(
        self,
        *,
        git: Git,
        placements: Placements,
        preparations: Preparations,
        mirrors: Mirrors,
        workspaces: Workspaces,
        exporter: Exporter,
        patches: Patches,
        attested: Attested,
        co_author: Callable[[Person], str],
    ) -> None:
        """`co_author`: a person as commits name them, `NAME <ADDRESS>`; empty if no address of theirs is known."""
        self._co_author = co_author
        self._git = git
        self._placements = placements
        self._preparations = preparations
        self._mirrors = mirrors
        self._workspaces = workspaces
        self._exporter = exporter
        self._patches = patches
        self._attested = attested

    @activity.defn(name="export_patch")
    @step
    async def export_patch(self, order: ExportOrder) -> ExportResult:
        """The workspace's tree as one commit on base, or why there is none."""
        prepared, task = order.prepared, order.task
        self._preparations.confirm(task, prepared)
        run = await self._attested.run(task.id, order.run.run_id)
        held = self._placements.expect(task.id, prepared.placement.epoch)
        name = held.workspace
        mirror = self._mirrors.of(task.repository.url)
        base = prepared.base_commit
        try:
            workspace = self._workspaces.path(name)
            exported = await self._exporter.export(
                name, workspace, mirror, base, held.uid, prepared.policy.image, Work.of(task, prepared.policy)
            )
        except ExportRefused as refused:
            return ExportResult(refused=str(refused))
        base_tree = await self._git.line("rev-parse", f"{base}^{{tree}}", purpose="reading base", git_dir=mirror.path)
        if exported.tree == base_tree and exported.left_out.files:
            return ExportResult(refused=f"all that was changed is too large to be taken: {exported.left_out}")
        if exported.tree == base_tree:
            return ExportResult(empty=True)
        patch = await self._patches.make(
            mirror,
            f"{task.id}-{order.round}",
            base=base,
            tree=exported.tree,
            left_out=exported.left_out,
            message=commit_message(task, run, order.context.manifest.sha256, self._co_author(task.requester)),
            # The time the step was first scheduled: an attempt after a crash makes the same commit again.
            when=_first_scheduled(),
        )
        made = AttestedPatch(patch=patch, round=order.round, run_id=run.run_id)
        await self._attested.add_patch(task.id, made)
        return ExportResult(patch=patch)


def _first_scheduled() -> datetime:
    return activity.info().scheduled_time
