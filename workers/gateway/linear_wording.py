"""How a task is told in Linear: one text about all that is known now. Pure.

Text that came from outside is shown as code, so that it mentions nobody, links nowhere and poses as nothing.
"""

from collections.abc import Mapping

from workers.gateway.messages import TaskView
from workflows.models.question import Question, QuestionKind
from workflows.models.status import Outcome, Stage
from workflows.presentation import as_code

_TEXT = 1500
_STAGES: Mapping[Stage, str] = {
    Stage.PREPARE: "is being prepared",
    Stage.CONTEXT: "is being prepared",
    Stage.RUN: "is at work",
    Stage.EXPORT: "is at work",
    Stage.EVALUATE: "has a patch that is being judged",
    Stage.PROPOSE: "has a patch that is being proposed",
    Stage.REVIEW: "waits for a review",
    Stage.APPROVED: "is approved and waits for its merge",
    Stage.QUESTION: "asks a question",
    Stage.GUIDANCE: "has a patch that can't be proposed",
    Stage.MERGE: "is being merged",
    Stage.RECORD: "is coming to its end",
}


def told(view: TaskView) -> str:
    """The comment below the issue."""
    status = view.status
    task = status.task.id
    lines = [f"**Journeyman**: task `{task}` {headline(view)}"]
    if view.halted:
        lines.append(f"Its work stands still: {as_code(view.halted, _TEXT)}")
    if status.question is not None and status.stage is Stage.QUESTION:
        lines += [asked(status.question), how_to_answer(status.question)]
    elif status.message and status.stage not in {Stage.RUN, Stage.EXPORT}:
        lines.append(as_code(status.message, _TEXT))
    if status.pull_request is not None:
        lines.append(f"Pull request: {shown_address(status.pull_request.url)}")
    lines += what_to_do(view)
    return "\n\n".join(lines)


def headline(view: TaskView) -> str:
    """How it stands, after its name."""
    status = view.status
    if _is_back(view):
        return "was merged, and has been **taken back**"
    if status.outcome is not None:
        return f"has ended as **{status.outcome}**"
    return f"**{_STAGES.get(status.stage, str(status.stage))}**"


def asked(question: Question) -> str:
    """What it asks."""
    return f"It asks: {as_code(question.text, _TEXT)}"


def how_to_answer(question: Question) -> str:
    """With what words."""
    choices = ", ".join(f"`/agent {choice.value}`" for choice in question.choices)
    if question.kind is QuestionKind.SPECIFICATION:
        return f"Answer with `/agent WORDS`, or {choices}."
    return f"Answer with {choices}."


def what_to_do(view: TaskView) -> list[str]:
    """What people can say about it."""
    status = view.status
    if status.stage is Stage.REVIEW and status.patch is not None:
        return [
            f"`/agent approve {status.patch.head[:12]}` approves what was judged, by somebody other than "
            f"{as_code(status.task.requester.id, 60)}; `/agent WORDS` has it changed, `/agent cancel` ends it."
        ]
    if status.stage is Stage.APPROVED:
        return ["`/agent merge` merges it; `/agent WORDS` has it changed, `/agent cancel` ends it."]
    if status.stage is Stage.GUIDANCE:
        return ["`/agent WORDS` sends it back to its agent, `/agent cancel` ends it."]
    if status.outcome is Outcome.MERGED and not _is_back(view):
        return ["`/agent revert` takes it back."]
    if status.stage is Stage.ENDED and status.outcome is not Outcome.MERGED:
        return ["`/agent again` makes another attempt."]
    return []


def _is_back(view: TaskView) -> bool:
    return any(revert.outcome.is_back for revert in view.reverts)


def shown_address(url: str) -> str:
    """As a link where it is one, and as words to type where it is not."""
    is_plain = url.startswith(("https://", "http://")) and not any(one in url for one in " <>()[]`\"'\n")
    return f"<{url}>" if is_plain else as_code(url, 300)
