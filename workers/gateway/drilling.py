"""Trying a revert when somebody asks for it, and what came of the last one."""

from datetime import UTC, datetime

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from activities.decisions.drills import Drills
from activities.policy.owners import OwnersFiles
from workers.gateway.refusals import Forbidden, Invalid
from workflows import queues
from workflows.models.drill import DRILL_WORKFLOW_ID, DrillOrder, DrillResult
from workflows.models.person import Person


class Drilling:
    """Starts drills of the canary that the platform's file names."""

    def __init__(self, temporal: Client, drills: Drills, owners: OwnersFiles) -> None:
        self._temporal = temporal
        self._drills = drills
        self._owners = owners

    async def drill(self, person: Person) -> DrillResult:
        """Try one now and wait for what comes of it; one that is under way is everybody's."""
        invoke = self._owners.security().invoke
        if invoke and person.id not in invoke:
            raise Forbidden(f"refused: {person.id} may not ask for work here; security.toml names who may")
        if self._owners.platform().drill is None:
            raise Invalid(f"no canary is named: write [drill] with its repository into {self._owners.platform_file}")
        handle = await self._temporal.start_workflow(
            "RevertDrill",
            DrillOrder(asked_by=person.id),
            id=DRILL_WORKFLOW_ID,
            task_queue=queues.ORCHESTRATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary="try a revert in the canary repository",
            result_type=DrillResult,
        )
        result: DrillResult = await handle.result()
        return result

    async def newest(self) -> list[DrillResult]:
        """What came of those of the newest month, the newest first; none if there was none in three months."""
        return list(await self._drills.newest(datetime.now(UTC)))
