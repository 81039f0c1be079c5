"""Commands that show and change how much policy may do without a person."""

from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from workers.cli.options import As, Json, Message, address_of, gateway
from workers.cli.terminal import out, plain, print_json
from workers.gateway.messages import ChangeTrust, TrustLine
from workflows.models.decision import Action

Repository = Annotated[str, Parameter(help="Path of the git repository, as it was given to `journeyman run`.")]
TaskType = Annotated[str, Parameter(help="Such as `docs`; trust is earned by each kind of task alone.")]


def trust(*, repo: Repository, json: Json = False) -> None:
    """Show which phase each kind of task has earned in a repository, and by what.

    In phase 1 a person approves and merges, in phase 2 policy approves what is low in risk, in phase 3 it merges what
    is well specified, too. Policy files can allow less.
    """
    found = gateway().trust(address_of(repo))
    if json:
        print_json(found)
        return
    table = Table("task type", "phase", "last change", "by", "why", box=None, pad_edge=False)
    for one in found:
        last = one.changes[-1] if one.changes else None
        when = f"{last.at:%Y-%m-%d %H:%M}" if last else "-"
        table.add_row(
            plain(one.task_type), str(one.phase), when, plain(last.by if last else "-"), plain(last.why if last else "")
        )
    out().print(table)
    if found and found[0].capped_by:
        named = " and ".join(found[0].capped_by)
        out().print(plain(f"{named}: no more than phase {found[0].most} counts here, whatever was earned"))


def promote(
    task_type: TaskType, /, *, repo: Repository, message: Message = "", as_: As = "", json: Json = False
) -> None:
    """Let policy do more for one kind of task in one repository: the next phase, one at a time.

    It takes a person whom `promote` in security.toml names, and a reason (-m). A revert takes trust away by itself.
    """
    asked = ChangeTrust(action=Action.PROMOTE, repository=address_of(repo), task_type=task_type, message=message)
    _tell(gateway(as_).change_trust(asked), json=json)


def demote(
    task_type: TaskType, /, *, repo: Repository, phase: int = 1, message: Message = "", as_: As = "", json: Json = False
) -> None:
    """Let policy do less for one kind of task in one repository, at once; anybody may.

    Parameters
    ----------
    phase
        The phase it goes back to.
    """
    asked = ChangeTrust(
        action=Action.DEMOTE, repository=address_of(repo), task_type=task_type, phase=phase, message=message
    )
    _tell(gateway(as_).change_trust(asked), json=json)


def _tell(now: TrustLine, *, json: bool) -> None:
    if json:
        print_json(now)
        return
    capped = f"; {' and '.join(now.capped_by)} allows phase {now.most} at most, and that counts"
    told = f"{now.task_type} tasks are in phase {now.phase} now{capped if now.in_force < now.phase else ''}"
    out().print(plain(told))
