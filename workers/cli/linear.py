"""Commands about Linear: whether all is set up there."""

from cyclopts import App, Group

from workers.cli.client import CommandFailed
from workers.cli.options import Json
from workers.settings import load_settings
from workflows.models.policy import PolicyRefusal

_HELP = """Linear as the tracker: whether all is set up there."""


def check(*, json: Json = False) -> None:
    """Check what is set up in Linear, and print for each thing that is missing the line that mends it.

    Looks at the token and whose it is, at the teams, their states and the label, at the webhook and its secrets. Writes
    nothing there. Exit code 0 if nothing is missing.
    """
    # Loaded here, so that commands which only ask the gateway stay quick.
    from workers.findings import print_report  # noqa: PLC0415
    from workers.linear_check import examine_linear  # noqa: PLC0415

    try:
        findings = examine_linear(load_settings())
    except PolicyRefusal as refusal:
        raise CommandFailed(str(refusal), code=2) from refusal
    print_report(findings, as_json=json, bad="missing")
    if any(not finding.ok for finding in findings):
        raise CommandFailed("something is missing in Linear; the lines above say how to mend it")


COMMANDS = (check,)


def register(app: App, group: Group, place: int) -> None:
    """Add these commands as `linear ...`, at a place in a group of the help."""
    ours = App(name="linear", help=_HELP, group=group, sort_key=place)
    for function in COMMANDS:
        ours.command(function, name=function.__name__)
    app.command(ours)
