"""Telling people where they asked for a task what they could not know there: that it waits for them, how it ended."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import queues, timeouts
from workflows.models.question import Question, QuestionKind
from workflows.models.status import TaskStatus
from workflows.models.steps import TellOrder
from workflows.presentation import as_code
from workflows.progress import Progress
from workflows.steps import PullRequestSteps

_TEXT = 1500


class Telling:
    """Of one task; where it was asked at a terminal, nothing: whoever is there looks there."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def asks(self, question: Question) -> None:
        """It stands still until somebody answers."""
        task = self._progress.status.task.id
        how = f"`journeyman answer {task}`"
        if question.kind is QuestionKind.SPECIFICATION:
            how = f"`/agent WORDS` here, `/agent cancel`, or {how}"
        await self._tell(
            f"question-{question.id}", f"Task `{task}` asks: {as_code(question.text, _TEXT)}. Answer: {how}."
        )

    async def is_proposed(self) -> None:
        """Its pull request waits for people; told the first time."""
        pull = self._progress.status.pull_request
        if pull is not None:
            await self._tell("proposed", f"Task `{self._progress.status.task.id}` waits for a review: {pull.url}")

    async def is_blocked(self) -> None:
        """A finding blocks its patch, so that there is no pull request to look at."""
        status = self._progress.status
        task, summary = status.task.id, self._progress.evaluation.summary
        await self._tell(
            f"blocked-{status.round}",
            f"Task `{task}` has a patch that can't be proposed: {as_code(summary, _TEXT)}. `journeyman show {task}` "
            "says why; `/agent WORDS` here sends it back to its agent, `/agent cancel` ends it.",
        )

    async def has_ended(self) -> None:
        """With which outcome."""
        await self._tell("ended", _ended(self._progress.status))

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


def _ended(status: TaskStatus) -> str:
    where = f" {status.pull_request.url}" if status.pull_request is not None else ""
    return f"Task `{status.task.id}` has ended as **{status.outcome}**: {as_code(status.message, _TEXT)}{where}"
