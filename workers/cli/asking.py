"""Commands that ask for work, and list what was asked for."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from workers.cli.client import CommandFailed
from workers.cli.halting import tell_halts
from workers.cli.options import As, Flag, Json, address_of, gateway
from workers.cli.printing import print_tasks, print_view
from workers.cli.terminal import out, plain, print_json
from workers.cli.waiting import NEEDS_YOU, wait_for
from workers.gateway.messages import NewTask, TaskLine, TaskView
from workflows.models.status import Outcome, Stage

_GOOD = {Stage.REVIEW, Stage.APPROVED}
_STANDS_STILL = {Stage.GUIDANCE, Stage.QUESTION}


def run(
    goal: str,
    /,
    *,
    repo: str,
    base: str = "",
    type: str = "bug-fix",
    agent: str = "",
    scope: Annotated[list[str] | None, Flag] = None,
    accept: Annotated[list[str] | None, Flag] = None,
    wait: Annotated[bool, Flag] = False,
    key: str = "",
    again: Annotated[bool, Flag] = False,
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
        Kind of work: docs, test-fix, dependency-bump, refactor, bug-fix, feature, or a team's own; default: bug-fix.
    agent
        Which configured agent; default: the platform's.
    scope
        Pattern of paths it may touch; may be repeated.
    accept
        One acceptance criterion; may be repeated.
    wait
        Wait until it needs a person or has ended. Exit code 0: there is something to review, or policy has merged it;
        5: it stands still until somebody answers or guides it; 4: it ended otherwise.
    key
        Name of the intent. Asking twice with the same key finds the same task.
    again
        With --key: make a new attempt of an intent that has ended.
    """
    path = address_of(repo)
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
        view = wait_for(client, admitted.task_id, quiet=json)
        failure = _failure(view)
        # A reason is told once: at the end, where scripts look for it too.
        print_json(view) if json else print_view(view, message=failure is None)
        if failure is not None:
            raise failure
    elif json:
        print_json(admitted)
    else:
        out().print(plain(admitted.task_id) + (f"  ({plain(admitted.message)})" if admitted.message else ""))
        out().print(f"where it stands: journeyman show {plain(admitted.task_id)}")


def tasks(
    *,
    waiting: Annotated[bool, Flag] = False,
    open_: Annotated[bool, Parameter(name="--open", negative="")] = False,
    repo: str = "",
    by: str = "",
    json: Json = False,
) -> None:
    """List tasks, the newest first.

    Parameters
    ----------
    waiting
        Only those that wait for a person.
    open_
        Only those that have not ended.
    repo
        Only those of this repository, by its name or its path.
    by
        Only those that this person asked for.
    """
    name = Path(repo).name.removesuffix(".git")

    def is_wanted(line: TaskLine) -> bool:
        return (
            (bool(line.waits_for) or not waiting)
            and (line.outcome is None or not open_)
            and (not repo or line.repository == name)
            and (not by or line.requester == by)
        )

    client = gateway()
    lines = [line for line in client.tasks() if is_wanted(line)]
    if not json:
        tell_halts(client)
    if json:
        print_json(lines)
    elif lines or not (waiting or open_ or repo or by):
        print_tasks(lines)
    else:
        out().print("No task is like that; `journeyman tasks` lists all of them.")


def _failure(view: TaskView) -> CommandFailed | None:
    status = view.status
    if status.stage in _GOOD or status.outcome is Outcome.MERGED:
        return None
    if status.stage in _STANDS_STILL:
        blocked = f": {status.evaluation.summary}" if status.evaluation and status.stage is Stage.GUIDANCE else ""
        words = f"it waits for {status.waits_for}: {status.message}" if status.message else ""
        return CommandFailed(words or f"it waits for {status.waits_for}{blocked}", code=NEEDS_YOU)
    return CommandFailed(status.message or f"it ended as {status.outcome}", code=4)
