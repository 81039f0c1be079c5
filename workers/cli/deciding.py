"""Commands by which a person decides about a task."""

from typing import Annotated

from cyclopts import Parameter

from workers.cli.client import CommandFailed
from workers.cli.options import As, Json, Message, TaskId, gateway
from workers.cli.terminal import out, plain, print_json
from workers.cli.waiting import wait_for
from workers.gateway.messages import NewDecision
from workflows.models.decision import Action, DecisionReceipt
from workflows.models.question import Choice
from workflows.models.status import Outcome, Stage
from workflows.models.usage import USD


def approve(task: TaskId, /, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """Approve a task's patch: exactly the head and the evidence it has now. Merging is a second decision."""
    receipt = _decide(Action.APPROVE, task, message, as_)
    lacks = receipt.stage == Stage.REVIEW
    following = f"show {receipt.task_id} (it needs more approvals)" if lacks else f"merge {receipt.task_id}"
    print_json(receipt) if json else out().print(f"{plain(receipt.message)}\nnext: journeyman {plain(following)}")


def withdraw(task: TaskId, /, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """Take back your approval of a patch that is not merged yet."""
    receipt = _decide(Action.WITHDRAW, task, message, as_)
    print_json(receipt) if json else out().print(plain(receipt.message))


def request_changes(task: TaskId, /, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """Send the agent back to work with your words (-m)."""
    receipt = _decide(Action.REQUEST_CHANGES, task, message, as_)
    print_json(receipt) if json else out().print(
        f"{plain(receipt.message)}\nit goes back to the agent: journeyman logs {plain(receipt.task_id)} -f"
    )


def reject(task: TaskId, /, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """End a task without merging; its PR is closed, its work stays in the archive."""
    receipt = _decide(Action.REJECT, task, message, as_)
    print_json(receipt) if json else out().print(plain(receipt.message))


def merge(task: TaskId, /, *, message: Message = "", as_: As = "", wait: bool = True, json: Json = False) -> None:
    """Merge an approved patch. If base has moved it is evaluated again first.

    Parameters
    ----------
    wait
        Whether to wait until it is merged, or known why not; with --no-wait it returns at once.
    """
    known = len(gateway(as_).view(task).status.spans)
    receipt = _decide(Action.MERGE, task, message, as_)
    if not wait:
        print_json(receipt) if json else out().print(plain(receipt.message))
        return
    view = wait_for(gateway(), receipt.task_id, quiet=json, shown=known)
    if json:
        print_json(view)
    elif view.status.outcome is Outcome.MERGED:
        out().print(
            f"merged as {plain(view.status.merge_commit)}\nto take it back: journeyman revert {plain(receipt.task_id)}"
        )
    if view.status.outcome is not Outcome.MERGED:
        raise CommandFailed(view.status.message or "it was not merged")


def answer(
    task: TaskId,
    choice: Choice,
    /,
    *,
    usd: Annotated[float, Parameter(help="With `continue`: how many US dollars more the task may use.")] = 0,
    host: Annotated[list[str] | None, Parameter(negative="")] = None,
    package: Annotated[list[str] | None, Parameter(negative="")] = None,
    message: Message = "",
    as_: As = "",
    json: Json = False,
) -> None:
    """Answer the question that a task waits with, such as a budget that is used up; `show` prints it.

    Parameters
    ----------
    choice
        continue: let the run go on; propose: stop it and judge what there is; discard: stop and end the task. Of hosts
        that the agent was refused: allow-once: for this task; allow-repository: from now on; refuse: ask no more.
        Of packages that a patch's lock files bring: allow-once, or refuse.
    host
        Of hosts: which the answer means; may be repeated. Left out, all that are asked about.
    package
        Of packages: the same. Checks run with a patch's packages only once all of them are allowed.
    """
    client = gateway(as_)
    question = client.view(task).status.question
    if question is None:
        raise CommandFailed(f"task {task} asks nothing now; `journeyman show {task}` says where it stands")
    more = round(usd * USD) or (question.suggested_micro_usd if choice is Choice.CONTINUE else 0)
    asked = NewDecision(
        action=Action.ANSWER,
        message=message,
        question=question.id,
        choice=choice,
        more_micro_usd=more,
        hosts=tuple(host or question.hosts),
        packages=tuple(package or question.packages),
    )
    receipt = client.decide(task, asked)
    print_json(receipt) if json else out().print(plain(receipt.message))


def cancel(task: TaskId, /, *, message: Message = "", as_: As = "", wait: bool = True, json: Json = False) -> None:
    """Stop a task where it stands and clean up after it.

    Parameters
    ----------
    wait
        Whether to wait until it has ended; with --no-wait it returns at once.
    """
    receipt = _decide(Action.CANCEL, task, message, as_)
    if wait:
        status = wait_for(gateway(), receipt.task_id, quiet=True, ended=True).status
        receipt = receipt.model_copy(update={"stage": status.stage, "message": status.message})
    print_json(receipt) if json else out().print(plain(receipt.message))


def _decide(action: Action, task: str, message: str, acting_as: str) -> DecisionReceipt:
    """Decide about exactly what the task has to show now."""
    client = gateway(acting_as)
    status = client.view(task).status
    asked = NewDecision(
        action=action,
        head=status.patch.head if status.patch else "",
        evidence_hash=status.evaluation.evidence_hash if status.evaluation else "",
        message=message,
    )
    return client.decide(task, asked)
