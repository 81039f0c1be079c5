"""What a person can type next about a task."""

from workers.gateway.messages import TaskView
from workflows.models.pull_request import RevertOutlook
from workflows.models.status import Outcome, Stage


def is_taken_back(view: TaskView) -> bool:
    """Whether base is without the task's merge again, in whichever way."""
    by_hand = view.outlook is not None and view.outlook.outlook is RevertOutlook.TAKEN_BACK
    return by_hand or any(revert.outcome.is_back for revert in view.reverts)


def next_steps(view: TaskView) -> tuple[tuple[str, str], ...]:
    """Commands, each with what it is for; the likeliest first."""
    status = view.status
    task = status.task.id
    look = (f"journeyman evidence {task}", "what was found out"), (f"journeyman diff {task}", "the patch")
    again = (f"journeyman request-changes {task} -m 'TEXT'", "back to the agent with your words")
    reject = (f"journeyman reject {task}", "end it without merging")
    if view.closed:
        return look if status.evaluation is not None else ()
    withdraw = (f"journeyman withdraw {task}", "take your approval back")
    given = (withdraw,) if any(person != "policy" for person in status.approved_by) else ()
    match status.stage:
        case Stage.REVIEW:
            return *look, (f"journeyman approve {task}", "merging is a second decision"), again, *given, reject
        case Stage.APPROVED:
            return (f"journeyman merge {task}", "land it on base"), again, *given, reject
        case Stage.GUIDANCE:
            return *look, (f"journeyman evidence {task} --output", "what checks printed"), again, reject
        case Stage.QUESTION:
            # Its answers are shown with the question.
            return ()
        case Stage.ENDED if status.outcome is Outcome.MERGED:
            return () if is_taken_back(view) else ((f"journeyman revert {task}", "take it back"),)
        case Stage.ENDED:
            said = ((f"journeyman logs {task}", "what the agent said"),) if status.run is not None else ()
            kept = (f"journeyman diff {task} | git apply", "its work is kept: into a checkout of its base")
            return (kept, *said) if status.patch is not None else said
        case _:
            return (f"journeyman logs {task} -f", "what the agent says"), (f"journeyman cancel {task}", "stop it")
