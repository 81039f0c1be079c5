"""Commands that look at one task."""

import subprocess
import sys
import time
from json import dumps
from typing import Annotated, Literal

from cyclopts import Parameter

from activities.archive.kinds import Kind
from workers.cli.client import CommandFailed
from workers.cli.egress_lines import print_egress
from workers.cli.evidence_lines import print_check_output, print_evidence
from workers.cli.options import Flag, Json, TaskId, gateway
from workers.cli.pager import show_diff
from workers.cli.printing import print_view
from workers.cli.sarif import sarif as as_sarif
from workers.cli.terminal import out, plain, print_json, safe_block, tell
from workers.cli.timeline import print_timeline
from workers.cli.transcript_lines import transcript_lines

_LOG_PAUSE = 0.5
"""Seconds between two looks for more output."""


def show(task: TaskId, /, *, timeline: Annotated[bool, Flag] = False, json: Json = False) -> None:
    """Show where a task stands, what was found out, who decided what, and what you can type next.

    Parameters
    ----------
    timeline
        Draw what took how long instead, from the command that asked to the merge and its revert.
    """
    if timeline:
        spans = gateway().trace(task)
        print_json(spans) if json else print_timeline(spans)
        for stone in gateway().view(task).removed:
            if stone.kind == Kind.TRACE:
                tell(f"only the stages are left: the {stone.told}")
        return
    view = gateway().view(task, outlook=True)
    print_json(view) if json else print_view(view)


def logs(
    task: TaskId,
    /,
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
    run: int = 0,
    raw: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Show what the agent said and did, readable. Control characters are taken out; --raw spells them out.

    Parameters
    ----------
    follow
        Go on until the run has ended.
    run
        Which run of the agent, 1 for the first; left out, the newest. Each round has one or more.
    raw
        What its program printed, as it came.
    json
        The common transcript, a JSON object a line.
    """
    client, offset = gateway(), 0
    printed = False
    while True:
        part = client.log(task, offset, run) if raw else client.transcript(task, offset, run)
        if raw:
            sys.stdout.write(safe_block(part.data))
        else:
            lines = part.data.decode().splitlines()
            sys.stdout.writelines(f"{line}\n" for line in (lines if json else transcript_lines(lines)))
        sys.stdout.flush()
        moved, offset = part.offset > offset, part.offset
        printed = printed or moved
        if not moved and not printed and not part.more:
            tell("nothing: no run of its agent has printed anything that is on record")
        elif not moved and not printed:
            printed = True
            tell("nothing yet; of a run on another machine than the gateway's the output comes once it has ended")
        if not moved and not (follow and part.more):
            return
        if not moved:
            time.sleep(_LOG_PAUSE)


def diff(task: TaskId, /) -> None:
    """Print the patch as a unified diff.

    On a terminal it is coloured, paged if it is long, and control characters are made visible; into a pipe it goes as
    it is, so that git can apply it.
    """
    data = gateway().diff(task)
    if sys.stdout.isatty():
        show_diff(safe_block(data))
    else:
        sys.stdout.buffer.write(data)


def evidence(
    task: TaskId,
    /,
    *,
    output: Annotated[bool, Flag] = False,
    on: Literal["base", "guarded", "patched"] = "patched",
    sarif: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Show what was found out about the patch, outside the agent's sandbox.

    Parameters
    ----------
    output
        Print instead what the checks printed that failed; if none did, what all of them printed.
    on
        With --output: on `base`, on the patch with base's tests (`guarded`), or on the patch as it is (`patched`).
    sarif
        Print the findings as SARIF 2.1.0, for code hosts and editors.
    """
    client = gateway()
    found = client.evidence(task)
    if sarif:
        sys.stdout.write(dumps(as_sarif(found), indent=2) + "\n")
        return
    if not output:
        print_json(found) if json else print_evidence(found)
        return
    outcomes = {"base": found.base, "guarded": found.guarded, "patched": found.patched}[on].outcomes
    chosen = [place for place, outcome in enumerate(outcomes) if not outcome.passed] or range(len(outcomes))
    for place in chosen:
        print_check_output(outcomes[place], on, client.check_output(task, on, place))
    if not chosen:
        raise CommandFailed("no check was run on it, so there is no output")


def egress(task: TaskId, /, *, run: int = 0, refused: Annotated[bool, Flag] = False, json: Json = False) -> None:
    """Show every request that the agent made at its way out: what went through by which rule, what was refused.

    Requests of a run that goes on come when it has ended.

    Parameters
    ----------
    run
        Which run of the agent, 1 for the first; left out, all.
    refused
        Only what was refused.
    """
    records = [record for record in gateway().egress(task, run) if not (refused and record.allowed)]
    print_json(records) if json else print_egress(records)


def open_(task: TaskId, /, *, trace: bool = False) -> None:
    """Open the task's page in the Temporal UI, or print its address where there is no browser.

    Parameters
    ----------
    trace
        Its trace instead, where traces are sent to (JOURNEYMAN_TRACE_UI).
    """
    view = gateway().view(task)
    address = view.trace_ui if trace else view.temporal_ui
    if not address and trace:
        raise CommandFailed(
            "this gateway does not know where traces are looked at: set JOURNEYMAN_TRACE_UI to the address of one, "
            "such as https://jaeger.example.com/trace/{trace_id}, and start the gateway again; "
            f"`journeyman show {task} --timeline` prints it here"
        )
    if not address:
        raise CommandFailed(
            "this gateway does not know where the Temporal UI is: set JOURNEYMAN_TEMPORAL_UI to its address, such as "
            "https://temporal.example.com, and start the gateway again"
        )
    out().print(plain(address))
    if sys.stdout.isatty():
        try:
            subprocess.run(["xdg-open", address], check=False, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            return
