"""Finding what has to be taken back together: every merged task that something is on record of."""

from datetime import UTC, datetime

from activities.archive.contract import TaskChains
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedMerge
from activities.decisions.refused import ActionRefused
from activities.forge.revert_preview import RevertPreviews
from workers.gateway.messages import MergedLine, Where
from workers.gateway.refusals import Invalid
from workflows.models.run import RunResult
from workflows.models.task import Task

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Incidents:
    """Lists merged tasks by what gateways and workers signed about them, not by what workflows show."""

    def __init__(
        self, chains: TaskChains, admissions: Admissions, attested: Attested, previews: RevertPreviews
    ) -> None:
        self._chains = chains
        self._admissions = admissions
        self._attested = attested
        self._previews = previews

    async def merged(self, where: Where) -> list[MergedLine]:
        """Every merged task that fits, the newest first: in this order reverts of the same lines are clean.

        Raises Invalid if nothing is stated that narrows it down.
        """
        if where == Where():
            raise Invalid(
                "say which merged tasks: agent, agent-version, type, repository, team, requester, approver, "
                "merged-by, since or until"
            )
        found: list[tuple[Task, AttestedMerge, RunResult | None]] = []
        for task_id in await self._chains.task_ids():
            merge = await self._attested.merge(task_id)
            if merge is None or not _fits_time(where, merge):
                continue
            try:
                task = await self._admissions.of(task_id)
            except ActionRefused:
                # Nobody may take back what no gateway admitted.
                continue
            if await self._fits(where, task, merge):
                runs = await self._attested.runs(task_id)
                found.append((task, merge, runs[-1] if runs else None))
        found.sort(key=lambda each: each[1].merged_at or _LONG_AGO, reverse=True)
        previews = await self._previews.of([merge for _, merge, _ in found])
        return [
            MergedLine(
                task_id=task.id,
                repository=merge.repository,
                base=merge.base,
                commit=merge.commit,
                goal=task.goal[:200],
                agent=run.agent if run is not None else "",
                agent_version=run.agent_version if run is not None else "",
                requester=task.requester.id,
                merged_at=merge.merged_at,
                preview=preview,
            )
            for (task, merge, run), preview in zip(found, previews, strict=True)
        ]

    async def _fits(self, where: Where, task: Task, merge: AttestedMerge) -> bool:
        stated = (
            (where.type, {task.task_type}),
            (where.repository.rstrip("/"), {merge.repository.rstrip("/"), task.repository.name}),
            (where.requester, {task.requester.id}),
            (where.approver, set(merge.approved_by)),
            (where.merged_by, {"policy" if merge.by_policy else "person"}),
        )
        if not all(not value or value in known for value, known in stated):
            return False
        if where.team:
            recorded = await self._attested.evidence(task.id)
            team = recorded[-1].policy.budget.team if recorded else ""
            if where.team != (team or task.repository.name):
                return False
        # Any run of the task: what one began, another of a later version may have ended.
        runs = await self._attested.runs(task.id) if where.agent or where.agent_version else ()
        return not (where.agent or where.agent_version) or any(
            (not where.agent or run.agent == where.agent)
            and (not where.agent_version or run.agent_version.startswith(where.agent_version))
            for run in runs
        )


def _fits_time(where: Where, merge: AttestedMerge) -> bool:
    if where.since is None and where.until is None:
        return True
    if merge.merged_at is None:
        # A merge that is older than its times are on record: it is before any `until`, and not since anything.
        return where.since is None
    return (where.since is None or merge.merged_at >= where.since) and (
        where.until is None or merge.merged_at < where.until
    )
