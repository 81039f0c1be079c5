"""Telling a task's conversation that it has changed; a task that nobody talks about tells nobody."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from workflows.models.conversation import conversation_workflow_id
from workflows.progress import Progress


async def signalled(workflow_id: str, signal: str) -> bool:
    """Signal another workflow; False if there is none."""
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal(signal)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        return False
    return True


class Following:
    """Who follows one task."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._told: object = None
        self._one_at_a_time = asyncio.Lock()
        self.is_followed = False

    async def tell_for_ever(self) -> None:
        """Tell of each change, until this is cancelled."""
        while True:
            await workflow.wait_condition(lambda: self.is_followed and self._seen() != self._told)
            await self.tell()

    async def tell(self) -> None:
        """Tell what was not told yet."""
        async with self._one_at_a_time:
            seen = self._seen()
            if not self.is_followed or seen == self._told:
                return
            self._told = seen
            task = self._progress.status.task.id
            # One that is over follows again when somebody talks about the task again.
            self.is_followed = await signalled(conversation_workflow_id(task), "changed")

    def _seen(self) -> object:
        """What is shown of a task; its words alone, which change often, are not waited for by anybody."""
        status = self._progress.status
        pull = status.pull_request.number if status.pull_request is not None else 0
        question = status.question.id if status.question is not None else ""
        ci = status.ci.told if status.ci is not None else ""
        return (status.stage, question, len(status.decisions), status.approved_by, status.outcome, pull, ci)
