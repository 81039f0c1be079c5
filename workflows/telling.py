"""Telling people where they asked for a task what they could not know there: that it waits for them, how it ended."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import queues, timeouts
from workflows.models.question import Question
from workflows.models.steps import TellOrder
from workflows.progress import Progress
from workflows.steps import PullRequestSteps
from workflows.told import asking, blocked, ended, proposed


class Telling:
    """Of one task; where it was asked at a terminal, nothing: whoever is there looks there."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def asks(self, question: Question) -> None:
        """It stands still until somebody answers."""
        await self._tell(f"question-{question.id}", asking(self._progress.status.task.id, question))

    async def is_proposed(self) -> None:
        """Its pull request waits for people; told the first time."""
        pull = self._progress.status.pull_request
        if pull is not None:
            await self._tell("proposed", proposed(self._progress.status.task.id, pull))

    async def is_blocked(self) -> None:
        """A finding blocks its patch, so that there is no pull request to look at."""
        status = self._progress.status
        await self._tell(f"blocked-{status.round}", blocked(status.task.id, self._progress.evaluation.summary))

    async def has_ended(self) -> None:
        """With which outcome."""
        await self._tell("ended", ended(self._progress.status))

    async def _tell(self, mark: str, text: str) -> None:
        task = self._progress.status.task
        if not (task.intent.link and task.intent.key.startswith("github:")):
            return
        try:
            await workflow.execute_activity_method(
                PullRequestSteps.tell_where_asked,
                TellOrder(task=task, mark=f"{task.id}-{mark}", text=text),
                task_queue=queues.API,
                start_to_close_timeout=timeouts.QUICK,
                retry_policy=timeouts.FEW,
                summary="tell where it was asked",
            )
        except ActivityError as error:
            # What is told there is on record here; nothing waits for its being heard.
            if is_cancelled_exception(error):
                raise
