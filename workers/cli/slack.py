"""Commands about Slack: whether the App there has what it needs."""

import asyncio

from cyclopts import App, Group

from workers.cli.client import CommandFailed
from workers.cli.options import Json
from workers.settings import load_settings
from workflows.models.policy import PolicyRefusal

_HELP = """Slack, where people ask for work and decide: whether all is set up there."""


def check(*, json: Json = False) -> None:
    """Check what is set up in Slack, and print for each thing that is missing what mends it.

    Looks at the App's token and its scopes, at how Slack is heard, at user groups, channels and repositories. Writes
    nothing there. Exit code 0 if nothing is missing.
    """
    # Loaded here, so that commands which only ask the gateway stay quick.
    from workers.findings import print_report  # noqa: PLC0415
    from workers.slack_check import examine_slack  # noqa: PLC0415

    try:
        findings = asyncio.run(examine_slack(load_settings()))
    except PolicyRefusal as refusal:
        raise CommandFailed(str(refusal), code=2) from refusal
    print_report(findings, as_json=json, bad="missing")
    if any(not finding.ok for finding in findings):
        raise CommandFailed("something is missing in Slack; the lines above say how to mend it")


COMMANDS = (check,)


def register(app: App, group: Group, place: int) -> None:
    """Add these commands as `slack ...`, at a place in a group of the help."""
    ours = App(name="slack", help=_HELP, group=group, sort_key=place)
    for function in COMMANDS:
        ours.command(function, name=function.__name__)
    app.command(ours)
