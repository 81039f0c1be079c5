"""The queue of merges onto one base: an entity that lives while somebody waits in it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows.models.intent import task_workflow_id
from workflows.models.steps import Nothing
from workflows.models.turn import TurnOrder, Turns

LONGEST_TURN = timedelta(hours=1)
"""Time for several evaluations; a task that takes longer, or has died, is passed over."""


@workflow.defn(name="MergeTurns")
class MergeTurns:
    """Tells one task after the other that it is its turn."""

    @workflow.init
    def __init__(self) -> None:
        self._waiting: list[str] = []

    @workflow.run
    async def run(self) -> Nothing:
        """Serve until nobody waits."""
        await workflow.wait_condition(lambda: bool(self._waiting))
        while self._waiting:
            await self._serve(self._waiting[0])
            # Between the last look at the line and the end there is no await: nobody can join unseen.
            await workflow.wait_condition(workflow.all_handlers_finished)
        return Nothing()

    async def _serve(self, task_id: str) -> None:
        workflow.set_current_details(f"`{task_id}` merges, {len(self._waiting) - 1} wait")
        if await self._tell(task_id):
            try:
                await workflow.wait_condition(
                    lambda: task_id not in self._waiting, timeout=LONGEST_TURN, timeout_summary=f"turn of {task_id}"
                )
            except TimeoutError:
                workflow.logger.warning("task %s did not give its turn back in time", task_id)
        self._drop(task_id)

    @workflow.update
    async def take(self, order: TurnOrder) -> Turns:
        """Stand in line; standing there already changes nothing."""
        if order.task_id not in self._waiting:
            self._waiting.append(order.task_id)
        return Turns(waiting=tuple(self._waiting))

    @workflow.update
    async def give_back(self, order: TurnOrder) -> Turns:
        """Leave the line, from wherever in it."""
        self._drop(order.task_id)
        return Turns(waiting=tuple(self._waiting))

    @workflow.query
    def turns(self) -> Turns:
        """Who may merge now, and who waits."""
        return Turns(waiting=tuple(self._waiting))

    async def _tell(self, task_id: str) -> bool:
        try:
            await workflow.get_external_workflow_handle(task_workflow_id(task_id)).signal("turn_came")
        except FailureError:
            # It has ended: the next one is told.
            return False
        return True

    def _drop(self, task_id: str) -> None:
        if task_id in self._waiting:
            self._waiting.remove(task_id)
