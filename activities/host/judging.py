"""Judging a patch on this host, and putting the evidence on record where the merge will look for it."""

import asyncio

from temporalio import activity

from activities.decisions.attested import Attested
from activities.environment.layer import EnvironmentLayers
from activities.evaluation.brought import Brought
from activities.evaluation.checks import Bench
from activities.evaluation.evaluator import Evaluator
from activities.failures import step
from activities.host.changed_packages import ChangedPackages
from activities.host.layout import workspace_name
from activities.host.placements import Placements
from activities.host.preparations import Preparations
from activities.host.supervised import HandedOver, cancelled_by_the_workflow
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from activities.sandbox.contract import Sandboxes
from workflows.models.evidence import Evaluation
from workflows.models.halt import Work
from workflows.models.packages import MOST_PACKAGES, PackageChanges
from workflows.models.steps import EvaluateOrder, PackagesOrder

_MOST_HANGS = 20


class JudgingActivities:
    """Implements `evaluate` of steps.HostSteps."""

    def __init__(
        self,
        *,
        placements: Placements,
        preparations: Preparations,
        sandboxes: Sandboxes,
        mirrors: Mirrors,
        patches: Patches,
        layers: EnvironmentLayers,
        evaluator: Evaluator,
        packages: ChangedPackages,
        attested: Attested,
    ) -> None:
        self._placements = placements
        self._preparations = preparations
        self._sandboxes = sandboxes
        self._mirrors = mirrors
        self._patches = patches
        self._layers = layers
        self._evaluator = evaluator
        self._packages = packages
        self._attested = attested

    @activity.defn(name="examine_packages")
    @step
    async def examine_packages(self, order: PackagesOrder) -> PackageChanges:
        """Which packages a patch brings by its lock files, and which of them nobody has allowed yet."""
        self._preparations.confirm(order.task, order.prepared)
        await self._attested.confirm(order.task.id, order.patch)
        mirror = self._mirrors.of(order.task.repository.url)
        await self._patches.restore(mirror, order.patch)
        found = await self._packages.examine(order.task, order.prepared.policy, mirror, order.patch)
        # Who is asked about nothing needs no list: a patch may bring thousands.
        shown = {"brought": found.brought[:MOST_PACKAGES], "open": found.open if found.askable else ()}
        return found.model_copy(update=shown)

    @activity.defn(name="evaluate")
    @step
    async def evaluate(self, order: EvaluateOrder) -> Evaluation:
        """Run the checks on the three trees. An attempt after a worker's restart goes on where it was."""
        self._preparations.confirm(order.task, order.prepared)
        await self._attested.confirm(order.task.id, order.patch)
        order = await self._with_what_is_known(order)
        bench = await self._bench(order)
        brought = await self._packages.bring(
            order.task, order.prepared, bench.mirror, order.patch, name=f"{bench.name}.packages"
        )
        evaluation = await self._judge(order, bench, brought)
        await self._attested.add_evidence(order.task.id, order.patch, evaluation, order.prepared.policy)
        return evaluation

    async def _judge(self, order: EvaluateOrder, bench: Bench, brought: Brought) -> Evaluation:
        try:
            guarantees = await asyncio.to_thread(self._sandboxes.guarantees)
            return await self._evaluator.evaluate(order, bench, guarantees, brought)
        except asyncio.CancelledError:
            if not cancelled_by_the_workflow():
                raise HandedOver(bench.name) from None
            raise

    async def _with_what_is_known(self, order: EvaluateOrder) -> EvaluateOrder:
        """The order with the run and base's earlier outcome as workers attested them.

        What a run tried to reach and how runs hung is part of the evidence, what fails on base is held against nobody.
        """
        task, run = order.task.id, order.run
        hung = [f"{one.hang} in run {one.run_id}" for one in await self._attested.runs(task) if one.hang is not None]
        earlier = [found.base_run for found in await self._attested.evidence(task)]
        known = {
            "run": await self._attested.run(task, run.run_id) if run is not None else None,
            "hangs": tuple(hung[-_MOST_HANGS:]),
            "pushed_by": await self._attested.pushed_by(task),
            "base_run": order.base_run if order.base_run in earlier else None,
        }
        return order.model_copy(update=known)

    async def _bench(self, order: EvaluateOrder) -> Bench:
        held = self._placements.expect(order.task.id, order.prepared.placement.epoch)
        mirror = self._mirrors.of(order.task.repository.url)
        await self._patches.restore(mirror, order.patch)
        return Bench(
            name=f"{workspace_name(held.task_id, held.epoch)}.{order.round}",
            mirror=mirror,
            commit=order.patch.base_commit,
            uid=held.uid,
            layer=self._layers.find(order.prepared.layer).mount() if order.prepared.layer else None,
            work=Work.of(order.task, order.prepared.policy),
        )
