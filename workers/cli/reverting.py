"""Taking back one merged task, or all that an incident calls for."""

from typing import Annotated

from cyclopts import Parameter
from pydantic import ValidationError
from rich.table import Table

from workers.cli.client import CommandFailed, GatewayClient
from workers.cli.options import As, Flag, Json, Message, gateway
from workers.cli.printing import outlook_line
from workers.cli.terminal import out, plain, print_json, tell
from workers.gateway.messages import MergedLine, NewDecision, Where
from workflows.models.base import Model
from workflows.models.decision import Action
from workflows.models.pull_request import RevertOutcome, RevertOutlook, RevertResult

_A_TIME = "a time with its zone, such as 2026-11-26T18:00Z"
_TAKES = {"since": _A_TIME, "until": _A_TIME, "merged_by": "`policy` or `person`"}


class Reverted(Model):
    """What came of one task of several."""

    task_id: str
    result: RevertResult


def revert(
    task: Annotated[str, Parameter(help="The task's id, or the beginning of it.")] = "",
    /,
    *,
    where: Annotated[list[str] | None, Parameter(negative="")] = None,
    yes: Annotated[bool, Flag] = False,
    message: Message = "",
    as_: As = "",
    json: Json = False,
) -> None:
    """Take a merged task back, or with --where all that fit: base as without it, later commits kept.

    Exit code 0 if base is restored; 1 with the paths and the commits in the way if it conflicts, and the pull request
    in which a person resolves it.

    Parameters
    ----------
    where
        Instead of a task, which merged ones, as KEY=VALUE: agent, agent-version, type, repository, team, requester,
        approver, merged-by (policy or person), since, until (times such as 2026-11-26T18:00Z). May be repeated; all
        have to fit. They are listed, the newest first, with what taking them back in this order would come to.
    yes
        With --where: take all of them back, in this order. Typed again, it goes on with those that are not back.
    """
    if bool(task) == bool(where):
        given = "both are given" if task else "'' is no task id"
        raise CommandFailed(f"{given}: say which, by a task's id or by --where KEY=VALUE", code=2)
    if yes and not where:
        raise CommandFailed("--yes is for --where: a task by its id is taken back without it", code=2)
    client = gateway(as_)
    if not where:
        _revert_one(client, task, message, json=json)
        return
    lines = client.merged(_where(where))
    if yes and not lines:
        raise CommandFailed(
            f"no merged task is like that, so nothing was taken back: --where {' --where '.join(where)}"
        )
    if yes:
        _revert_all(client, lines, message, json=json)
    else:
        print_json(lines) if json else _preview(lines)


def _revert_one(client: GatewayClient, task: str, message: str, *, json: bool) -> None:
    result = client.revert(task, NewDecision(action=Action.REVERT, message=message))
    if json:
        print_json(result)
    elif result.outcome.is_back:
        out().print(f"{result.outcome} by {plain(result.commit)} in {result.seconds:.1f} s")
    if not result.outcome.is_back:
        in_the_way = "".join(f"\n  {line}" for line in (*result.conflicts, *result.commits_in_the_way))
        branch = f", on branch {result.branch}" if result.branch else ""
        waits = f"\nresolve it in  {result.pull_request}{branch}" if result.pull_request else ""
        told = f"\nit is for     {', '.join(result.told)}" if result.told else ""
        raise CommandFailed(f"{result.outcome}: {result.detail}{in_the_way}{waits}{told}")


def _revert_all(client: GatewayClient, lines: list[MergedLine], message: str, *, json: bool) -> None:
    """One after the other, the newest first; one that fails does not keep the others from being taken back."""
    done, failed = [], 0
    for line in lines:
        if line.preview.outlook is RevertOutlook.TAKEN_BACK:
            continue
        try:
            result = client.revert(line.task_id, NewDecision(action=Action.REVERT, message=message))
        except CommandFailed as error:
            result = RevertResult(outcome=RevertOutcome.REFUSED, detail=str(error))
        done.append(Reverted(task_id=line.task_id, result=result))
        failed += not result.outcome.is_back
        if not json:
            about = result.commit or f"{result.detail} {result.pull_request}"
            out().print(f"{plain(line.task_id)}  {result.outcome}  {plain(about)}  {result.seconds:.1f} s")
    if json:
        print_json(done)
    else:
        tell(f"{len(done) - failed} taken back, {len(lines) - len(done)} were already, {failed} not")
    if failed:
        raise CommandFailed(f"{failed} of {len(done)} could not be taken back; the same command tries those again")


def _preview(lines: list[MergedLine]) -> None:
    if not lines:
        out().print("No merged task is like that.")
        return
    table = Table("task", "merged", "repository", "agent", "asked by", "revert", box=None, pad_edge=False)
    for line in lines:
        merged = f"{line.merged_at:%Y-%m-%d %H:%M}" if line.merged_at else ""
        agent = f"{line.agent} {line.agent_version}".strip()
        who = (plain(line.repository), plain(agent), plain(line.requester, 20))
        table.add_row(plain(line.task_id), merged, *who, plain(outlook_line(line.preview)))
    out().print(table)
    tell("nothing was taken back yet: the same with --yes does it, in this order")


def _where(stated: list[str]) -> Where:
    values: dict[str, str] = {}
    known = [name.replace("_", "-") for name in Where.model_fields]
    for each in stated:
        key, is_stated, value = each.partition("=")
        if key not in known or not is_stated or not value:
            raise CommandFailed(f"--where takes KEY=VALUE with one of {', '.join(known)}, not {each!r}", code=2)
        if key.replace("-", "_") in values:
            raise CommandFailed(f"--where has {key} twice: all have to fit, so say it once", code=2)
        values[key.replace("-", "_")] = value
    try:
        return Where.model_validate(values)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        takes = _TAKES.get(key, "a shorter one")
        raise CommandFailed(
            f"--where {key.replace('_', '-')} takes {takes}, not {values[key][:80]!r}", code=2
        ) from error
