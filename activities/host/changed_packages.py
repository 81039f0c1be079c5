"""The environment of a patch whose lock files differ from base's: made once everything in them was allowed by name."""

from activities.decisions.package_answers import PackageAnswers
from activities.environment.checkout import SetupFailed
from activities.environment.layer import EnvironmentLayers
from activities.evaluation.brought import Brought
from activities.evaluation.guarded import base_with
from activities.evaluation.lock_changes import LockChanges, LockReader, not_allowed
from activities.repository.git import Git
from activities.repository.mirror import Mirror
from activities.repository.workspace import Workspaces
from workflows.models.halt import Work
from workflows.models.packages import PackageChanges
from workflows.models.patch import Patch
from workflows.models.policy import TaskPolicy
from workflows.models.steps import Prepared
from workflows.models.task import Task


class ChangedPackages:
    """Knows what patches bring, and makes layers with it."""

    def __init__(self, git: Git, layers: EnvironmentLayers, workspaces: Workspaces, answers: PackageAnswers) -> None:
        self._git = git
        self._reader = LockReader(git)
        self._layers = layers
        self._workspaces = workspaces
        self._answers = answers

    async def examine(self, task: Task, policy: TaskPolicy, mirror: Mirror, patch: Patch) -> PackageChanges:
        """What a patch brings, and what of it is still to be allowed. Raises GitError."""
        found = await self._reader.compare(mirror.vault, patch.base_commit, patch.head, policy)
        return _told(found, policy, await self._answers.of_task(task, policy) if found.brought else {})

    async def bring(self, task: Task, prepared: Prepared, mirror: Mirror, patch: Patch, *, name: str) -> Brought:
        """The same with the environment, if all of it is allowed. `name`: of a checkout to make it in.

        What runs is base's set-up on base's files: of the patch nothing but its lock files is there.
        """
        policy = prepared.policy
        found = await self._reader.compare(mirror.vault, patch.base_commit, patch.head, policy)
        if not found.changes or not prepared.layer:
            return Brought()
        if found.broken:
            return Brought(lock_files=tuple(change.path for change in found.changes), broken=found.broken)
        answered = await self._answers.of_task(task, policy) if found.brought else {}
        changes = _told(found, policy, answered)
        brought = Brought(lock_files=changes.lock_files, open=changes.open, refused=changes.refused)
        if changes.open or changes.refused:
            return brought
        tree = await base_with(self._git, mirror.vault, patch.base_commit, found.changes)
        source = await self._workspaces.create(name, mirror, commit=patch.base_commit, tree=tree, uid=None)
        system = self._layers.find(prepared.layer).manifest.toolchain
        try:
            layer = await self._layers.ensure(
                policy.setup, source, policy.setup_limits, system, policy.image, Work.of(task, policy)
            )
        except SetupFailed as failed:
            return Brought(lock_files=changes.lock_files, broken=str(failed))
        finally:
            await self._workspaces.remove(name)
        installed = tuple(f"{package} (allowed by {answered.get(package, 'policy')})" for package in changes.brought)
        if layer is None:
            return brought
        return Brought(lock_files=changes.lock_files, installed=installed, layer=layer.mount(), key=layer.key)


def _told(found: LockChanges, policy: TaskPolicy, answered: dict[str, str]) -> PackageChanges:
    """For the workflow: bounded, since a patch may bring thousands."""
    brought = tuple(dict.fromkeys(package.told for package in found.brought))
    still_open = not_allowed(found.brought, policy, answered)
    return PackageChanges(
        lock_files=tuple(change.path for change in found.changes),
        brought=brought,
        open=still_open,
        refused=found.refused,
    )
