"""The sentences by which people hear, where they asked for a task, what they could not know there. Pure."""

from workflows.models.pull_request import PullRequest
from workflows.models.question import Question, QuestionKind
from workflows.models.status import TaskStatus
from workflows.presentation import as_code

_TEXT = 1500


def asking(task: str, question: Question) -> str:
    """It stands still until somebody answers."""
    how = f"`journeyman answer {task}`"
    if question.kind is QuestionKind.SPECIFICATION:
        how = f"`/agent WORDS` here, `/agent cancel`, or {how}"
    return f"Task `{task}` asks: {as_code(question.text, _TEXT)}. Answer: {how}."


def proposed(task: str, pull: PullRequest) -> str:
    """Its pull request waits for people."""
    return f"Task `{task}` waits for a review: {pull.url}"


def blocked(task: str, summary: str) -> str:
    """A finding blocks its patch, so that there is no pull request to look at."""
    return (
        f"Task `{task}` has a patch that can't be proposed: {as_code(summary, _TEXT)}. `journeyman show {task}` "
        "says why; `/agent WORDS` here sends it back to its agent, `/agent cancel` ends it."
    )


def ended(status: TaskStatus) -> str:
    """With which outcome."""
    where = f" {status.pull_request.url}" if status.pull_request is not None else ""
    return f"Task `{status.task.id}` has ended as **{status.outcome}**: {as_code(status.message, _TEXT)}{where}"
