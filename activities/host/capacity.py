"""Taking a place on this host for a task, and giving everything of it back."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio import activity

from activities.callers import only_called_by
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested
from activities.decisions.host_answers import HostAnswers
from activities.decisions.refused import ActionRefused
from activities.environment.layer import EnvironmentLayers, Layer
from activities.environment.registries import RegistryAccess
from activities.failures import step
from activities.host.giving_back import GivingBack
from activities.host.halting import HostHalts
from activities.host.layout import workspace_name
from activities.host.placements import Held, Placements
from activities.host.preparations import Preparations
from activities.host.room import DiskFull, Room
from activities.policy.agents import choose_agent
from activities.policy.current import CurrentPolicy
from activities.policy.documents import SecurityPolicy
from activities.policy.egress import with_answers, with_registries
from activities.policy.grades import unmet
from activities.policy.owners import OwnersFiles
from activities.repository.mirror import Mirror, Mirrors
from activities.repository.patches import Patches
from activities.repository.workspace import Workspaces
from activities.sandbox.contract import ImageRefused, Sandboxes
from workflows.models.checkpoint import Checkpoint
from workflows.models.halt import Work
from workflows.models.intent import task_workflow_id
from workflows.models.patch import Patch
from workflows.models.policy import EgressProfile, PolicyRefusal, TaskPolicy
from workflows.models.run import Placement
from workflows.models.steps import Prepared, PrepareOrder, Released, ReleaseOrder
from workflows.models.task import Task


class CapacityActivities:
    """Implements steps.PlacementSteps, and `release` of steps.HostSteps."""

    def __init__(
        self,
        *,
        host: str,
        placements: Placements,
        sandboxes: Sandboxes,
        mirrors: Mirrors,
        room: Room,
        workspaces: Workspaces,
        patches: Patches,
        layers: EnvironmentLayers,
        owners: OwnersFiles,
        giving_back: GivingBack,
        toolchain: str,
        admissions: Admissions,
        attested: Attested,
        preparations: Preparations,
        policies: CurrentPolicy,
        answers: HostAnswers,
        registries: Callable[[], Awaitable[RegistryAccess]],
        halts: HostHalts,
    ) -> None:
        self._host = host
        self._placements = placements
        self._sandboxes = sandboxes
        self._mirrors = mirrors
        self._room = room
        self._workspaces = workspaces
        self._patches = patches
        self._layers = layers
        self._owners = owners
        self._giving_back = giving_back
        self._toolchain = toolchain
        self._admissions = admissions
        self._attested = attested
        self._preparations = preparations
        self._policies = policies
        self._answers = answers
        self._registries = registries
        self._halts = halts

    @activity.defn(name="prepare")
    @step
    async def prepare(self, order: PrepareOrder) -> Prepared:
        """Make a workspace at base, or at the patch to continue from, under the policy of its base commit.

        If the placement that was lost is here after all, its workspace is taken over as it is, and what runs in it goes
        on: a host that was silent for long has lost nothing.
        """
        only_called_by(task_workflow_id(order.task.id))
        await self._admissions.confirm(order.task)
        await self._refuse_merged(order.task)
        if order.resume_from is not None:
            await self._attested.confirm(order.task.id, order.resume_from)
        prepared = await self._prepare(order)
        self._preparations.keep(order.task, prepared)
        return prepared

    async def _refuse_merged(self, task: Task) -> None:
        """A task whose workflow was reset after its merge would be paid for, and merged, once more."""
        merge = await self._attested.merge(task.id)
        if merge is not None:
            raise ActionRefused(
                f"refused: task {task.id} was merged as {merge.commit[:12]} already; ask for a new task to change more"
            )

    async def _prepare(self, order: PrepareOrder) -> Prepared:
        task = order.task
        found = self._found(order)
        if found is None:
            # What is here already goes on, however full the disk is.
            self._refuse_full()
        mirror = await self._mirrors.refresh(task.repository.url)
        checkpoint = await self._checkpoint(order) if found is None else None
        start = checkpoint.patch if checkpoint is not None else order.resume_from
        if found is not None:
            base = found.base_commit
        elif checkpoint is not None:
            base = checkpoint.base_commit
        elif order.resume_from is not None:
            base = order.resume_from.base_commit
        else:
            base = await self._mirrors.resolve(mirror, task.base)
        # Read for each task: owners edit these while the worker runs.
        platform, security = self._owners.platform(), self._owners.security()
        policy = await self._policy(mirror, base, task, security)
        self._halts.refuse(Work.of(task, policy))
        system = await self._system(policy.image)
        agent = choose_agent(platform, security, task.agent)
        tree = await self._start_tree(mirror, base, start)
        if found is not None:
            held = await self._take_over(found, order.epoch)
            layer = await self._layer(mirror, base, policy, held, system, task)
        else:
            await self._clear_older(task.id, order.epoch)
            async with self._giving_back.alone(task.id):
                held = self._take(task.id, order.epoch)
            try:
                layer = await self._layer(mirror, base, policy, held, system, task)
                room = policy.run_limits.disk_bytes
                await self._workspaces.create(
                    held.workspace, mirror, commit=base, tree=tree, uid=held.uid, room_bytes=room
                )
                held = self._placements.complete(held, base)
            except BaseException:
                await self._giving_back.give_back(held)
                raise
        return Prepared(
            placement=Placement(host=self._host, epoch=order.epoch),
            base_commit=base,
            start_tree=tree,
            policy=policy,
            layer=layer.key if layer else "",
            agent=agent.name,
            checkpoint=checkpoint,
            found_run=self._last_run(held) if found is not None else "",
        )

    def _refuse_full(self) -> None:
        try:
            self._room.refuse_full()
        except DiskFull as full:
            raise DiskFull(f"host {self._host} takes no new task: {full}") from full

    async def _checkpoint(self, order: PrepareOrder) -> Checkpoint | None:
        """Of the run that was lost with its host, as it is on record."""
        return await self._attested.checkpoint(order.task.id, order.epoch) if order.lost_epoch else None

    def _found(self, order: PrepareOrder) -> Held | None:
        """The place that was thought lost and is here: as it was left, or taken over by an attempt before this one."""
        held = self._placements.find(order.task.id)
        return held if held is not None and is_the_lost_one(held, order, self._host) else None

    async def _take_over(self, held: Held, epoch: int) -> Held:
        """Keep the workspace and the agent's runs. What judged or exported begins again under its new name."""
        async with self._giving_back.alone(held.task_id):
            if held.epoch != epoch:
                held = self._placements.take_over(held, epoch)
            for prefix in held.prefixes:
                await self._giving_back.clear(held.task_id, prefix, (f"{prefix}.", f"export-{prefix}"))
            return held

    def _last_run(self, held: Held) -> str:
        """The agent's run that began last in a workspace; they are numbered through all of a task."""
        prefixes = tuple(f"{prefix}-" for prefix in held.prefixes)
        runs = [run_id for run_id in self._sandboxes.known_runs() if run_id.startswith(prefixes)]
        return max(runs, key=lambda run_id: int(run_id.rpartition("-")[2]), default="")

    async def _policy(self, mirror: Mirror, base: str, task: Task, security: SecurityPolicy) -> TaskPolicy:
        policy = await self._policies.of(mirror, base, task)
        if policy.egress_profile is EgressProfile.REGISTRY:
            # Under the same hash: which registries a machine has is no owner's word.
            access = await self._registries()
            hosts = with_registries(policy.egress_hosts, access.hosts, security)
            policy = policy.model_copy(update={"egress_hosts": hosts})
        policy = with_answers(policy, await self._answers.of_repository(task.repository.url, policy))
        if missing := unmet(policy.required_grades, await asyncio.to_thread(self._sandboxes.grades)):
            raise PolicyRefusal(
                f"host {self._host} can't hold what policy asks for with {self._sandboxes.backend}: "
                f"{'; '.join(missing)}. Run it as root where control groups work, choose another `sandbox.backend` in "
                "journeyman.toml, or have the owner of the requirement relax it"
            )
        return policy

    async def _system(self, image: str) -> str:
        """What an environment layer fits, and no other: the toolchain, and an image's own system where there is one."""
        try:
            system = await asyncio.to_thread(self._sandboxes.system_of, image)
        except ImageRefused as refused:
            raise PolicyRefusal(f"host {self._host} can't run this task: {refused}") from refused
        return f"{self._toolchain} {system}".strip()

    def _take(self, task_id: str, epoch: int) -> Held:
        current = self._placements.find(task_id)
        if current is not None and current.epoch == epoch:
            return current
        uid = self._sandboxes.take_uid()
        try:
            return self._placements.take(Held(task_id=task_id, epoch=epoch, uid=uid))
        except BaseException:
            self._sandboxes.give_back_uid(uid)
            raise

    async def _clear_older(self, task_id: str, epoch: int) -> None:
        """A task that comes back to a host it was thought to have lost finds its earlier placement still there."""
        current = self._placements.find(task_id)
        if current is not None and current.epoch < epoch:
            await self._giving_back.give_back(current)

    async def _start_tree(self, mirror: Mirror, base: str, resume_from: Patch | None) -> str:
        if resume_from is None:
            return f"{base}^{{tree}}"
        await self._patches.restore(mirror, resume_from)
        return resume_from.tree

    async def _layer(
        self, mirror: Mirror, base: str, policy: TaskPolicy, held: Held, system: str, task: Task
    ) -> Layer | None:
        if not policy.setup.commands:
            return None
        name = f"{workspace_name(held.task_id, held.epoch)}.setup"
        source = await self._workspaces.create(name, mirror, commit=base, tree=f"{base}^{{tree}}", uid=None)
        try:
            work = Work.of(task, policy)
            return await self._layers.ensure(policy.setup, source, policy.setup_limits, system, policy.image, work)
        finally:
            await self._workspaces.remove(name)

    @activity.defn(name="release")
    @step
    async def release(self, order: ReleaseOrder) -> Released:
        """Give back everything of a placement; what was given back already is no error."""
        only_called_by(task_workflow_id(order.task_id))
        held = self._placements.find(order.task_id)
        if held is None or held.epoch != order.placement.epoch:
            return Released()
        return Released(kept=await self._giving_back.give_back(held))


def is_the_lost_one(held: Held, order: PrepareOrder, host: str) -> bool:
    """Whether a place on this host is the one that a workflow counts as lost, so that its workspace is gone on with."""
    if not held.base_commit or not order.lost_epoch:
        return False
    if order.lost_host not in {"", host}:
        # Of the same epoch, from an attempt whose answer was lost: the work is on the host that was lost.
        return False
    is_lost_one = held.epoch == order.lost_epoch
    was_taken_over = held.epoch == order.epoch and held.first_epoch != 0
    started_from = order.resume_from.base_commit if order.resume_from else held.base_commit
    return (is_lost_one or was_taken_over) and started_from == held.base_commit
