"""Commands about GitHub: whether an installation of ours there has what it needs."""

from typing import Annotated

from cyclopts import App, Group, Parameter

from workers.cli.client import CommandFailed
from workers.cli.options import Json
from workers.settings import load_settings
from workflows.models.policy import PolicyRefusal

_HELP = """GitHub as the forge: whether all is set up there."""


def check(
    *,
    repo: Annotated[str, Parameter(help="As it is given to `journeyman run`; left out, the App alone.")] = "",
    json: Json = False,
) -> None:
    """Check what is set up on GitHub, and print for each thing that is missing the line that mends it.

    Looks at the App, its webhook and permissions, at what protects base and who may pass that, and whether CI runs on
    what Journeyman pushes. Writes nothing there. Exit code 0 if nothing is missing.
    """
    # Loaded here, so that commands which only ask the gateway stay quick.
    from workers.findings import print_report  # noqa: PLC0415
    from workers.github_check import examine_github  # noqa: PLC0415

    try:
        findings = examine_github(load_settings(), repo)
    except PolicyRefusal as refusal:
        raise CommandFailed(str(refusal), code=2) from refusal
    print_report(findings, as_json=json, bad="missing")
    if any(not finding.ok for finding in findings):
        raise CommandFailed("something is missing on GitHub; the lines above say how to mend it")


COMMANDS = (check,)


def register(app: App, group: Group, place: int) -> None:
    """Add these commands as `github ...`, at a place in a group of the help."""
    ours = App(name="github", help=_HELP, group=group, sort_key=place)
    for function in COMMANDS:
        ours.command(function, name=function.__name__)
    app.command(ours)
