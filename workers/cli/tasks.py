"""Commands about tasks: ask, look, decide."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from workers.cli.client import CommandFailed, GatewayClient
from workers.cli.printing import out, print_evidence, print_json, print_tasks, print_view, safe_block
from workers.cli.timeline import print_timeline
from workers.gateway.messages import NewDecision, NewTask, TaskView
from workers.settings import load_settings
from workflows.models.decision import Action
from workflows.models.pull_request import RevertOutcome
from workflows.models.question import Choice
from workflows.models.status import Outcome, Stage
from workflows.models.usage import USD

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document instead of text.")]
As = Annotated[str, Parameter(name="--as", help="Act under another name; only the local profile allows it.")]
Message = Annotated[str, Parameter(name=["--message", "-m"], help="What to say with it.")]
_BEGAN = time.time()
"""As good as when the command began: nothing but Python itself was loaded before."""
_GOOD = {Stage.REVIEW, Stage.APPROVED}


def gateway(acting_as: str = "") -> GatewayClient:
    """The gateway of this installation."""
    return GatewayClient(
        load_settings().gateway_socket, acting_as, began=_BEGAN, traceparent=os.environ.get("TRACEPARENT", "")
    )


def run(
    goal: str,
    *,
    repo: str,
    base: str = "",
    type: str = "bug-fix",
    agent: str = "",
    scope: Annotated[list[str] | None, Parameter(negative="")] = None,
    accept: Annotated[list[str] | None, Parameter(negative="")] = None,
    wait: Annotated[bool, Parameter(negative="")] = False,
    key: str = "",
    again: Annotated[bool, Parameter(negative="")] = False,
    as_: As = "",
    json: Json = False,
) -> None:
    """Hand a task to an agent.

    Starts one durable task and returns at once; `journeyman show ID` says where it stands. Nothing reaches the base
    branch before a person has approved and merged it.

    Parameters
    ----------
    goal
        What should be different afterwards, in plain words.
    repo
        Path of the git repository, bare or not.
    base
        Branch to start from and to land on; default: the repository's own.
    type
        Kind of work: docs, test-fix, dependency-bump, refactor, bug-fix, feature, or a team's own.
    agent
        Which configured agent; default: the platform's.
    scope
        Pattern of paths it may touch; may be repeated.
    accept
        One acceptance criterion; may be repeated.
    wait
        Wait until it needs a person or has ended. Exit code 0: there is something to review; 4: it ended otherwise.
    key
        Name of the intent. Asking twice with the same key finds the same task.
    again
        With --key: make a new attempt of an intent that has ended.
    """
    path = str(Path(repo).expanduser().resolve()) if "://" not in repo else repo
    client = gateway(as_)
    admitted = client.admit(
        NewTask(
            goal=goal,
            repository=path,
            base=base,
            task_type=type,
            agent=agent,
            scope=tuple(scope or ()),
            acceptance=tuple(accept or ()),
            key=key,
            again=again,
        )
    )
    if wait:
        view = _wait(client, admitted.task_id, quiet=json)
        print_json(view) if json else print_view(view)
        if view.status.stage not in _GOOD and view.status.outcome is not Outcome.MERGED:
            raise CommandFailed(view.status.message or f"it ended as {view.status.outcome}", code=4)
    elif json:
        print_json(admitted)
    else:
        out().print(admitted.task_id + (f"  ({admitted.message})" if admitted.message else ""))
        out().print(f"where it stands: journeyman show {admitted.task_id}")


def tasks(*, json: Json = False) -> None:
    """List tasks, the newest first."""
    lines = gateway().tasks()
    print_json(lines) if json else print_tasks(lines)


def show(task: str, *, timeline: Annotated[bool, Parameter(negative="")] = False, json: Json = False) -> None:
    """Show where a task stands, what it waits for and who decided what.

    Parameters
    ----------
    task
        The task's id, or the beginning of it.
    timeline
        Draw what took how long instead, from the command that asked to the merge and its revert.
    """
    if timeline:
        spans = gateway().trace(task)
        print_json(spans) if json else print_timeline(spans)
        return
    view = gateway().view(task)
    print_json(view) if json else print_view(view)


def logs(task: str, *, follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False) -> None:
    """Print what the agent printed, control characters made visible.

    Parameters
    ----------
    task
        The task's id, or the beginning of it.
    follow
        Go on until the run has ended.
    """
    client, offset = gateway(), 0
    while True:
        data, more = client.log(task, offset)
        offset += len(data)
        sys.stdout.write(safe_block(data))
        sys.stdout.flush()
        if not data and not (follow and more):
            return
        if not data:
            time.sleep(0.5)


def diff(task: str) -> None:
    """Print the patch as a unified diff.

    To a terminal, control characters are made visible; into a pipe the diff goes as it is, so that git can apply it.
    """
    data = gateway().diff(task)
    if sys.stdout.isatty():
        sys.stdout.write(safe_block(data))
    else:
        sys.stdout.buffer.write(data)


def evidence(task: str, *, json: Json = False) -> None:
    """Show what was found out about the patch, outside the agent's sandbox."""
    found = gateway().evidence(task)
    print_json(found) if json else print_evidence(found)


def open_(task: str) -> None:
    """Open the task's page in the Temporal UI, or print its address where there is no browser."""
    address = gateway().view(task).temporal_ui
    if not address:
        raise CommandFailed("the address of the Temporal UI is not known here")
    out().print(address)
    if sys.stdout.isatty():
        try:
            subprocess.run(["xdg-open", address], check=False, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            return


def approve(task: str, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """Approve a task's patch: exactly the head and the evidence it has now. Merging is a second decision."""
    _decide(Action.APPROVE, task, message, as_, json)


def request_changes(task: str, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """Send the agent back to work with your words (-m)."""
    _decide(Action.REQUEST_CHANGES, task, message, as_, json)


def reject(task: str, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """End a task without merging; its PR is closed, its work stays in the archive."""
    _decide(Action.REJECT, task, message, as_, json)


def merge(task: str, *, message: Message = "", as_: As = "", wait: bool = True, json: Json = False) -> None:
    """Merge an approved patch. If base has moved it is evaluated again first.

    Parameters
    ----------
    task
        The task's id, or the beginning of it.
    wait
        Wait until it is merged, or known why not.
    """
    _decide(Action.MERGE, task, message, as_, json and not wait)
    if not wait:
        return
    view = _wait(gateway(), task, quiet=json)
    if json:
        print_json(view)
    elif view.status.outcome is Outcome.MERGED:
        out().print(f"merged as {view.status.merge_commit}")
    if view.status.outcome is not Outcome.MERGED:
        raise CommandFailed(view.status.message or "it was not merged")


def answer(
    task: str,
    choice: Choice,
    *,
    usd: Annotated[float, Parameter(help="With `continue`: how many US dollars more the task may use.")] = 0,
    message: Message = "",
    as_: As = "",
    json: Json = False,
) -> None:
    """Answer the question that a task waits with, such as a budget that is used up; `show` prints it.

    Parameters
    ----------
    task
        The task's id, or the beginning of it.
    choice
        continue: let the run go on; propose: stop it and judge what there is; discard: stop and end the task.
    """
    client = gateway(as_)
    question = client.view(task).status.question
    if question is None:
        raise CommandFailed(f"task {task} asks nothing now; `journeyman show {task}` says where it stands")
    more = round(usd * USD) or (question.suggested_micro_usd if choice is Choice.CONTINUE else 0)
    asked = NewDecision(action=Action.ANSWER, message=message, question=question.id, choice=choice, more_micro_usd=more)
    receipt = client.decide(task, asked)
    print_json(receipt) if json else out().print(receipt.message)


def cancel(task: str, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """Stop a task where it stands and clean up after it."""
    _decide(Action.CANCEL, task, message, as_, json)


def revert(task: str, *, message: Message = "", as_: As = "", json: Json = False) -> None:
    """Take a merged task back: base as if it had not been merged, later commits kept.

    Exit code 0 if base is restored; 1 with the paths and the commits in the way if it conflicts.
    """
    result = gateway(as_).revert(task, NewDecision(action=Action.REVERT, message=message))
    if json:
        print_json(result)
    elif result.outcome in {RevertOutcome.REVERTED, RevertOutcome.ALREADY_REVERTED}:
        out().print(f"{result.outcome} by {result.commit} in {result.seconds:.1f} s")
    if result.outcome not in {RevertOutcome.REVERTED, RevertOutcome.ALREADY_REVERTED}:
        in_the_way = "".join(f"\n  {line}" for line in (*result.conflicts, *result.commits_in_the_way))
        raise CommandFailed(f"{result.outcome}: {result.detail}{in_the_way}")


def _decide(action: Action, task: str, message: str, acting_as: str, json: bool) -> None:
    client = gateway(acting_as)
    status = client.view(task).status
    asked = NewDecision(
        action=action,
        head=status.patch.head if status.patch else "",
        evidence_hash=status.evaluation.evidence_hash if status.evaluation else "",
        message=message,
    )
    receipt = client.decide(task, asked)
    print_json(receipt) if json else out().print(receipt.message)


def _wait(client: GatewayClient, task: str, *, quiet: bool) -> TaskView:
    """Wait until a task needs a person or has ended, telling of each stage on standard error."""
    told = ""
    while True:
        view = client.view(task)
        status = view.status
        if not quiet and status.stage != told:
            told = status.stage
            sys.stderr.write(f"{task}: {told}\n")
        if status.waits_for or status.stage is Stage.ENDED:
            return view
        time.sleep(0.2)


COMMANDS = (
    run,
    tasks,
    show,
    logs,
    diff,
    evidence,
    open_,
    approve,
    request_changes,
    reject,
    merge,
    answer,
    cancel,
    revert,
)
"""In the order of a task's life."""


def register(app: App) -> None:
    """Add these commands."""
    for function in COMMANDS:
        app.command(function, name=function.__name__.strip("_").replace("_", "-"))
