"""Watching base after a merge, by what is on record about its commits."""

import logging
from datetime import timedelta

from temporalio import activity

from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedMerge
from activities.decisions.observations import Observations, turned_red
from activities.decisions.refused import ActionRefused
from activities.failures import step
from activities.forge.contract import Forge
from activities.forge.revert_preview import RevertPreviews
from activities.gate.ci_observations import ci_observations
from activities.repository.git import Git, RepositoryRefused
from activities.repository.mirror import Mirrors
from workflows.models.observation import Observation
from workflows.models.steps import RevertOrder
from workflows.models.task import Task
from workflows.models.watch import BaseState, LookOrder

_log = logging.getLogger(__name__)
_MOST_ASKED = 5
"""Of base's newest commits that the forge's CI is asked about, beside the merge and what it was made onto."""
_MOST_COMMITS = 100
"""Of base since the merge that are looked at."""


class BaseWatch:
    """Says whether base has turned red by a merge."""

    def __init__(
        self,
        git: Git,
        mirrors: Mirrors,
        observations: Observations,
        admissions: Admissions,
        attested: Attested,
        forge: Forge,
    ) -> None:
        """`forge`: whose CI is asked."""
        self._forge = forge
        self._git = git
        self._mirrors = mirrors
        self._observations = observations
        self._admissions = admissions
        self._attested = attested

    async def look(self, task: Task) -> BaseState:
        """At the merge of a task and at what came after it. Raises ActionRefused if there is none on record."""
        merge = await self._attested.merge(task.id)
        if merge is None:
            raise ActionRefused(f"refused: there is no merge of task {task.id} on record")
        if merge.merged_at is None:
            # A merge that is older than watches; nobody watches it.
            return BaseState()
        address = merge.repository
        before, commits = await self._commits(task, merge)
        asked = {before, merge.commit, *commits[-_MOST_ASKED:]}
        since = tuple([await self._seen(task, address, commit, commit in asked) for commit in commits])
        until = merge.merged_at + timedelta(seconds=merge.watch_seconds)
        red = turned_red(await self._seen(task, address, before, True), since, until)
        good = {seen.name for commit in since for seen in commit if seen.good}
        return BaseState(red=red, good=tuple(sorted(good))[:20])

    async def may_revert(self, order: RevertOrder) -> tuple[Task, AttestedMerge, Observation]:
        """The merge that policy may take back, and the signal that asks for it. Raises ActionRefused."""
        task = await self._admissions.confirm(order.task)
        merge = await self._attested.merge(task.id)
        if merge is None or merge.commit != order.merge_commit:
            raise ActionRefused(f"refused: no worker has merged task {task.id} as {order.merge_commit[:12]}")
        if not merge.by_policy:
            raise ActionRefused(f"refused: a person merged task {task.id}, so a person takes it back")
        red = (await self.look(task)).red
        if red is None:
            raise ActionRefused(f"refused: nothing on record says that base turned red by task {task.id}")
        return task, merge, red

    async def _seen(self, task: Task, address: str, commit: str, ask: bool) -> tuple[Observation, ...]:
        """What is on record about a commit, and what the forge's CI says of it now."""
        on_record = await self._observations.of(address, commit)
        if not (ask and task.repository.is_shared):
            return on_record
        try:
            report = await self._forge.read_ci(task, commit, logs=False)
            if report.failed:
                report = await self._forge.read_ci(task, commit, logs=True)
        except RepositoryRefused as refused:
            # Not to be read here; what is reported by name still counts.
            _log.warning("CI of %s is not read: %s", commit[:12], refused)
            return on_record
        return (*on_record, *ci_observations(report, address))

    async def _commits(self, task: Task, merge: AttestedMerge) -> tuple[str, list[str]]:
        """What it was merged onto; the merge and the commits of base's own line since, the oldest first."""
        mirror = await self._mirrors.refresh(task.repository.url)
        tip = await self._mirrors.resolve(mirror, merge.base)
        purpose = "looking at base since the merge"
        before = await self._git.line("rev-parse", f"{merge.commit}^1", purpose=purpose, git_dir=mirror.path)
        told = await self._git.run(
            *("rev-list", "--first-parent", "--reverse", f"{merge.commit}..{tip}"), purpose=purpose, git_dir=mirror.path
        )
        return before, [merge.commit, *told.decode().split()][:_MOST_COMMITS]


class WatchActivities:
    """Implements steps.WatchSteps."""

    def __init__(self, watch: BaseWatch, admissions: Admissions, attested: Attested, previews: RevertPreviews) -> None:
        self._watch = watch
        self._admissions = admissions
        self._attested = attested
        self._previews = previews

    @activity.defn(name="look_at_base")
    @step
    async def look_at_base(self, order: LookOrder) -> BaseState:
        """Whether base has turned red by a task's merge, and what taking it back would come to."""
        task = await self._admissions.confirm(order.task)
        state = await self._watch.look(task)
        merge = await self._attested.merge(task.id)
        assert merge is not None, "a look at no merge is refused"
        (outlook,) = await self._previews.of([merge])
        return state.model_copy(update={"outlook": outlook})
