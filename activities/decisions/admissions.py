"""Which tasks were admitted: written by the gateway that authenticated the requester, read by whatever acts on a task.

A workflow carries its task along, and whoever reaches Temporal's port can start one with any task. So the steps that
act on a repository take requester, repository and base from here.
"""

from activities.decisions.refused import ActionRefused
from activities.decisions.signed_record import SignedRecord
from workflows.models.task import Task

ADMISSION = "admission"


class Admissions:
    """The gateway's word about each task."""

    def __init__(self, record: SignedRecord) -> None:
        self._record = record

    async def record(self, task: Task) -> Task:
        """Put a task on record as admitted, once, and return what is on record: whoever asked first is the requester.

        Raises ActionRefused if what is on record is not this installation's word.
        """
        await self._record.append(task.id, ADMISSION, ADMISSION, task)
        return await self.of(task.id)

    async def of(self, task_id: str) -> Task:
        """The task as it was admitted. Raises ActionRefused."""
        for task in await self._record.read(task_id, ADMISSION, Task):
            if task.id == task_id:
                return task
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
