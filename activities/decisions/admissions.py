"""Which tasks were admitted: written by the gateway that authenticated the requester, read by whatever acts on a task.

A workflow carries its task along, and whoever reaches Temporal's port can start one with any task. So the steps that
act on a repository take requester, repository and base from here.
"""

from pydantic import ValidationError

from activities.archive.contract import TaskChains
from activities.decisions.refused import ActionRefused
from activities.decisions.signing import DecisionVerifier, SignatureRefused, SignedAdmission
from workflows.models.task import Task

ADMISSION = "admission"


class Admissions:
    """The gateway's word about each task."""

    def __init__(self, chains: TaskChains, verifier: DecisionVerifier) -> None:
        self._chains = chains
        self._verifier = verifier

    async def of(self, task_id: str) -> Task:
        """The task as it was admitted. Raises ActionRefused."""
        for entry in await self._chains.entries(task_id):
            if entry.kind == ADMISSION:
                return self._verified(task_id, entry.data)
        raise ActionRefused(f"refused: no gateway has admitted task {task_id}; ask for it through the gateway")

    async def confirm(self, task: Task) -> Task:
        """The task as it was admitted. Raises ActionRefused also if it differs from the one given."""
        admitted = await self.of(task.id)
        if admitted.model_dump() != task.model_dump():
            raise ActionRefused(
                f"refused: this is not the task {task.id} that was admitted; a workflow that the gateway did not start "
                "can't act for it"
            )
        return admitted

    def _verified(self, task_id: str, data: dict[str, object]) -> Task:
        try:
            admitted = self._verifier.verify_admission(SignedAdmission.model_validate(data))
        except SignatureRefused as error:
            raise ActionRefused(str(error)) from error
        except ValidationError as error:
            raise ActionRefused(f"refused: what is on record as the admission of task {task_id} is none") from error
        if admitted.id != task_id:
            raise ActionRefused(f"refused: the admission of task {admitted.id} is on record for task {task_id}")
        return admitted
