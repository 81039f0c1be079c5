"""Commands that stop agents' work at once, and let it go on. They work with Temporal down, and without a gateway."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter
from rich.table import Table

from activities.archive.objects import ArchiveError
from activities.decisions.halts import HaltsUnreadable
from activities.policy.owners import PolicyFileBroken
from workers.cli.client import CommandFailed, GatewayClient, NoAnswer
from workers.cli.options import As, Flag, Json, address_of, gateway
from workers.cli.terminal import out, plain, print_json, tell
from workers.gateway.halting import Halting
from workers.gateway.messages import HaltLine, NewHalt
from workers.gateway.refusals import Invalid, Refused
from workers.settings import Settings, load_settings
from workflows.models.halt import HaltScope, Reach, not_held
from workflows.models.person import Person
from workflows.models.plural import plural
from workflows.models.policy import PolicyRefusal

Answer = TypeVar("Answer")

Repo = Annotated[str, Parameter(help="Path or address of a git repository: its tasks, on every host.")]
Team = Annotated[str, Parameter(help="A team, as team.toml names it: the tasks of all its repositories.")]
All = Annotated[bool, Parameter(name="--all", negative="", help="The tasks of the whole installation.")]
Why = Annotated[str, Parameter(name=["--message", "-m"], help="Why; whoever finds their work stopped reads it.")]
_SECONDS = 10.0
_MOST_LOOKED_AT = 50
"""A gateway that takes longer to answer is passed by: somebody stops work because something is wrong."""


def halt(
    *, repo: Repo = "", team: Team = "", all_: All = False, message: Why = "", as_: As = "", json: Json = False
) -> None:
    """Stop agents' work at once: every sandbox stands still within 5 seconds, nothing new begins, nothing is merged.

    Nothing is lost: `journeyman resume` lets it go on where it was. Reverts, approvals and cancelling work meanwhile.
    Without a gateway that answers it is put on record by this command, if you may read the gateway's key.
    """
    asked = NewHalt(id=secrets.token_hex(8), scope=_scope("halt", repo, team, all_), reason=message)
    if not message.strip():
        raise CommandFailed("say why: -m TEXT; whoever finds their work stopped reads it", code=2)
    line, here = _carry_out(as_, lambda client: client.halt(asked), lambda halting, who: halting.halt(asked, who))
    if json:
        print_json(line)
        return
    out().print(f"halted ({plain(line.scope.told)}): every host makes it stand still within 5 seconds")
    _tell_here(here)
    if here is None:
        _tell_covered(gateway(as_, seconds=_SECONDS), line)
    out().print(f"let it go on: journeyman resume {plain(line.scope.option)}")


def resume(
    *, repo: Repo = "", team: Team = "", all_: All = False, message: Why = "", as_: As = "", json: Json = False
) -> None:
    """Let work go on that was halted: runs within 2 seconds, from where they were."""
    asked = NewHalt(id=secrets.token_hex(8), scope=_scope("resume", repo, team, all_), reason=message)
    lines, here = _carry_out(as_, lambda client: client.resume(asked), lambda halting, who: halting.resume(asked, who))
    if json:
        print_json(lines)
        return
    for line in lines:
        out().print(
            f"resumed ({plain(line.scope.told)}): it was halted by {plain(line.halted_by)}: {plain(line.reason)}"
        )
    _tell_here(here)


def halts(*, past: Annotated[bool, Flag] = False, json: Json = False) -> None:
    """List what is halted, by whom and why.

    Parameters
    ----------
    past
        Those too that were lifted, with who did.
    """
    found, _ = _carry_out("", lambda client: client.halts(), lambda halting, _: halting.all_lines(), applies=False)
    lines = [line for line in found if past or line.resumed_at is None]
    for line in lines if not json else ():
        if line.unconfirmed:
            tell(_not_held(line))
    if json:
        print_json(lines)
        return
    lines = [line for line in lines if not line.unconfirmed]
    if not lines:
        out().print("Nothing is halted." if not past else "Nothing was ever halted.")
        return
    table = Table("what", "by", "when (UTC)", "why", *(("resumed by", "when", "why") if past else ()), box=None)
    for line in lines:
        row = [line.scope.told, line.halted_by, f"{line.halted_at:%Y-%m-%d %H:%M:%S}", line.reason]
        if past:
            lifted = f"{line.resumed_at:%Y-%m-%d %H:%M:%S}" if line.resumed_at else "-"
            row += [line.resumed_by or "-", lifted, line.resume_reason]
        table.add_row(*(plain(cell, 100) for cell in row))
    out().print(table)


def tell_halts(client: GatewayClient) -> None:
    """A line for each halt that stands, beside what a command shows."""
    try:
        lines = client.halts()
    except CommandFailed as unknown:
        tell(str(unknown))
        return
    for line in lines:
        if line.unconfirmed:
            tell(_not_held(line))
        elif line.resumed_at is None:
            tell(f"halted ({line.scope.told}) by {line.halted_by}: {line.reason}")


def _not_held(line: HaltLine) -> str:
    return not_held(line.scope, f"{line.halted_by}, {line.halted_at:%Y-%m-%d %H:%M:%S} UTC: {line.reason}")


def _scope(command: str, repo: str, team: str, all_: bool) -> HaltScope:
    if (bool(repo), bool(team), all_).count(True) != 1:
        raise CommandFailed(
            f"say what to {command}: one of --all, --repo PATH and --team NAME; `journeyman halts` lists what stands",
            code=2,
        )
    if repo:
        name = address_of(repo)
        if command == "halt" and name.startswith("/") and not Path(name).is_dir():
            raise CommandFailed(f"there is no directory {name}; give the path of the repository", code=2)
        return HaltScope(reach=Reach.REPOSITORY, name=name)
    return HaltScope(reach=Reach.TEAM, name=team) if team else HaltScope(reach=Reach.ALL)


def _carry_out(
    as_: str,
    by_gateway: Callable[[GatewayClient], Answer],
    by_ourselves: Callable[[Halting, Person], Awaitable[Answer]],
    *,
    applies: bool = True,
) -> tuple[Answer, tuple[str, ...] | None]:
    """The answer; where the gateway gives none, by ourselves, with the runs of this machine that stand still for it."""
    try:
        return by_gateway(gateway(as_, seconds=_SECONDS)), None
    except NoAnswer as failed:
        unreachable = failed
    settings = load_settings()
    try:
        return asyncio.run(_directly(settings, as_, by_ourselves, applies=applies, instead_of=unreachable))
    except Refused as refused:
        raise CommandFailed(str(refused), code=2 if isinstance(refused, Invalid) else 1) from refused
    except (ArchiveError, HaltsUnreadable, PolicyFileBroken, PolicyRefusal) as error:
        raise CommandFailed(str(error)) from error


async def _directly(
    settings: Settings,
    as_: str,
    carry_out: Callable[[Halting, Person], Awaitable[Answer]],
    *,
    applies: bool,
    instead_of: CommandFailed,
) -> tuple[Answer, tuple[str, ...] | None]:
    # Loaded here, so that commands which only ask the gateway stay quick.
    from workers.embedded.halting import WithoutGateway  # noqa: PLC0415

    direct = WithoutGateway.of(settings, as_, instead_of)
    answer = await carry_out(direct.halting, direct.person)
    return answer, await direct.apply() if applies else None


def _tell_covered(client: GatewayClient, line: HaltLine) -> None:
    """How much of what is open the halt is about: a name that was mistyped stops nothing."""
    try:
        are_open = [task.task_id for task in client.tasks() if task.outcome is None][:_MOST_LOOKED_AT]
        statuses = [client.view(task).status for task in are_open]
    except CommandFailed as unknown:
        tell(f"it is on record; which tasks stand still by it is not known: {unknown}")
        return
    covered = sum(line.scope.covers(status.work) for status in statuses)
    if covered or not statuses:
        out().print(f"{plural(covered, 'open task')} of {len(statuses)} {'stands' if covered == 1 else 'stand'} still")
    else:
        tell(f"none of {plural(len(statuses), 'open task')} is of {line.scope.told}: is that what was meant?")


def _tell_here(here: tuple[str, ...] | None) -> None:
    if here is not None:
        out().print(
            f"no gateway answered, so this command put it on record; on this machine {plural(len(here), 'sandbox')} "
            f"{'stands' if len(here) == 1 else 'stand'} still now"
            if here
            else "no gateway answered, so this command put it on record; on this machine nothing stands still for it"
        )
