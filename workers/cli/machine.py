"""Commands about this machine and this installation: start it, check it, bring a repository to it."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from rich.markup import escape

from workers.cli.client import CommandFailed
from workers.cli.options import Flag, Json
from workers.cli.serving import asked_to_end, run_to_its_end
from workers.cli.terminal import out, plain
from workers.logs import log_to
from workers.settings import load_settings
from workflows.models.halt import not_held
from workflows.models.plural import plural

AGENT_EXAMPLE = """
    [agents.mine]
    adapter = "command"
    command = ["python3", "/opt/agent/agent.py"]

    [[agents.mine.mounts]]
    source = "/home/me/agent"
    target = "/opt/agent"
"""


def up() -> None:
    """Run everything on this machine: Temporal with its UI, a worker and the gateway. Ctrl-C stops it.

    State is kept: tasks go on where they were when it is started again. Agents that are running go on under their
    supervisors for a while, and are found again.
    """
    # Loaded here, so that commands which only ask the gateway stay quick.
    from activities.decisions.halts import HaltsUnreadable  # noqa: PLC0415
    from workers.embedded.stack import stack  # noqa: PLC0415

    settings = load_settings()
    log = log_to(settings, "up")

    async def serve() -> None:
        async with stack(settings) as parts:
            console = out()
            platform = parts.shared.owners.platform()
            console.print(f"Journeyman is up (host {parts.host}, profile {platform.profile})")
            console.print(
                f"State        {escape(str(settings.state))}  (log: {escape(str(log.relative_to(settings.state)))})"
            )
            console.print(f"Temporal UI  http://127.0.0.1:{settings.temporal_ui_port}")
            if platform.github is not None and platform.github.webhooks is not None:
                console.print(f"GitHub       tells it at http://{platform.github.webhooks.address}/webhooks/github")
            if platform.profile == "local":
                console.print("Profile      local: whoever is this OS user is trusted, and may act under any name")
            if platform.agents:
                console.print("Try          journeyman run 'GOAL' --repo PATH")
            else:
                console.print(
                    f"[yellow]No agent[/yellow]     write one into {escape(str(settings.config_file))}, such as"
                )
                console.print(
                    f"{AGENT_EXAMPLE}\nIt counts at once; docs/quickstart.md tells what each line means.", markup=False
                )
            with suppress(HaltsUnreadable):
                for halt in await parts.halts.unconfirmed():
                    told = not_held(halt.scope, f"{halt.person.id}: {halt.reason}")
                    console.print(f"[yellow]Warning[/yellow]      {plain(told)}")
            with asked_to_end() as asked:
                console.print("Ctrl-C stops it")
                await asked.wait()
            console.print("\nstopping: tasks go on when it is started again")
        if runs := parts.sandboxes.live_runs():
            console.print(
                f"{plural(len(runs), 'run')} of agents still at work, with the egress gateway; `journeyman up` finds "
                "them again, `journeyman down --runs` ends them"
            )

    run_to_its_end(serve())


def down(*, runs: Annotated[bool, Flag] = False) -> None:
    """End `up`, and the egress gateway unless runs of agents go on, which need it. State is kept.

    Exit code 1 if only runs that go on are left, and nothing was ended.

    Parameters
    ----------
    runs
        End runs of agents that are at work, too; when it is started again, each begins anew in its workspace as it is.
    """
    from workers.embedded.down import take_down  # noqa: PLC0415

    async def end() -> None:
        for line in await take_down(load_settings(), end_runs=runs):
            out().print(line, markup=False)

    run_to_its_end(end())


def doctor(*, json: Json = False) -> None:
    """Check everything a run needs on this machine, and print for each failure the line that mends it."""
    from workers.doctor import examine  # noqa: PLC0415
    from workers.findings import print_report  # noqa: PLC0415

    findings = asyncio.run(examine(load_settings()))
    print_report(findings, as_json=json)
    if any(not finding.ok for finding in findings):
        raise CommandFailed("something a run needs is missing; the lines above say how to mend it")


def init(path: Path = Path(), *, force: Annotated[bool, Flag] = False) -> None:
    """Bring a repository to Journeyman: detect its checks, set-up and lock files, and write .journeyman/team.toml.

    Parameters
    ----------
    path
        The repository's work tree; default: here.
    force
        Replace a team.toml that is there.
    """
    from workers.onboarding import onboard  # noqa: PLC0415

    for line in onboard(path.resolve(), force=force):
        out().print(line, markup=False)


def demo(
    *,
    auto: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Run the main job once: a sample repository with a failing test, an agent, your decision, a merge, a revert.

    Parameters
    ----------
    auto
        Decide as a second person: approve, merge, then revert. Exit code 0 only if base went red, green and back.
    json
        Print one JSON object at the end.
    """
    from workers.embedded.demo import demonstrate  # noqa: PLC0415

    run_to_its_end(demonstrate(load_settings(), auto=auto, as_json=json))
