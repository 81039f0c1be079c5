"""Commands about agents: which command lines there are, installing them, checking that they could work."""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

from cyclopts import App, Group, Parameter
from rich.table import Table

from workers.cli.client import CommandFailed
from workers.cli.terminal import out, plain, print_json, tell
from workers.settings import load_settings
from workflows.models.policy import PolicyRefusal

_HELP = """The command lines that do the work: claude-code, codex, opencode.

Install one, name it in journeyman.toml with a provider and a model, then let `check` try it. Any other program can be
an agent too, by adapter "command"."""
_T = TypeVar("_T")
_Json = Annotated[bool, Parameter(name="--json", negative="")]


def list_(*, json: _Json = False) -> None:
    """List the command lines there are adapters for, which are installed, and which agents use them."""
    from workers.agent_checks import list_toolchains  # noqa: PLC0415

    listed = _asked(lambda: list_toolchains(load_settings()))
    if json:
        print_json(listed)
        return
    table = Table("name", "version", "installed", "used by", box=None, pad_edge=False)
    for one in listed:
        size = f"{one.bytes / 1e6:.0f} MB" if one.ok else one.mend
        table.add_row(one.name, one.version, size, plain(", ".join(one.agents)) or "no agent yet")
    out().print(table)


def install(*names: str, json: _Json = False) -> None:
    """Install command lines by their locks, from the registry that this machine's npm is set to.

    Nothing but the locked versions is installed, each package is checked against its hash, and no package's script is
    run. What is there already stays. Runs that are under way keep the version they have.

    Parameters
    ----------
    names
        Which: claude-code, codex, opencode. Left out, all that journeyman.toml uses, or all if it uses none.
    """
    from activities.agents.configured import toolchains  # noqa: PLC0415
    from activities.agents.npm_install import InstallFailed  # noqa: PLC0415
    from activities.agents.npm_install import install as npm_install  # noqa: PLC0415
    from workers.agent_checks import list_toolchains  # noqa: PLC0415

    known, settings = toolchains(), load_settings()
    if unknown := [name for name in names if name not in known]:
        raise CommandFailed(f"there is no {unknown[0]!r} to install; there are {', '.join(known)}", code=2)
    used = [one.name for one in _asked(lambda: list_toolchains(settings)) if one.agents]
    settings.prepare_state()
    done = []
    for name in names or used or known:
        try:
            done.append(npm_install(known[name], settings.state, _progress))
        except (InstallFailed, OSError) as failure:
            raise CommandFailed(str(failure)) from failure
        if not json:
            size, seconds = done[-1].bytes / 1e6, done[-1].seconds
            out().print(f"{name} {done[-1].version} is installed ({size:.0f} MB, took {seconds} s)")
    if json:
        print_json(done)


def check(name: str = "", *, json: _Json = False) -> None:
    """Check what each agent needs, and print for each failure the line that mends it.

    Starts its command line in a real sandbox, and looks for its provider's key and its model's price. Asks no model, so
    it costs nothing. Exit code 0 if nothing is missing.

    Parameters
    ----------
    name
        One agent of journeyman.toml; left out, all of them.
    """
    from workers.agent_checks import examine_agents  # noqa: PLC0415
    from workers.findings import print_report  # noqa: PLC0415

    findings = _asked(lambda: asyncio.run(examine_agents(load_settings(), name)))
    print_report(findings, as_json=json)
    if any(not finding.ok for finding in findings):
        raise CommandFailed("something an agent needs is missing; the lines above say how to mend it")


def _progress(text: str) -> None:
    tell(text)


def _asked(look: Callable[[], _T]) -> _T:
    try:
        return look()
    except PolicyRefusal as refusal:
        raise CommandFailed(str(refusal)) from refusal


COMMANDS = (list_, install, check)


def register(app: App, group: Group, place: int) -> None:
    """Add these commands as `agents ...`, at a place in a group of the help."""
    ours = App(name="agents", help=_HELP, group=group, sort_key=place)
    for function in COMMANDS:
        ours.command(function, name=function.__name__.strip("_"))
    app.command(ours)
