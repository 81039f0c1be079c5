"""The command that tries a revert before one is needed."""

from typing import Annotated

from workers.cli.client import CommandFailed
from workers.cli.options import As, Flag, Json, gateway
from workers.cli.terminal import out, plain, print_json


def drill(*, last: Annotated[bool, Flag] = False, as_: As = "", json: Json = False) -> None:
    """Try a revert now: merge a change into the canary repository, take it back, and say how long that took.

    The canary is the repository that [drill] in journeyman.toml names; workers try it by themselves, once a day if
    nothing else is said there. Exit code 1 if base was not restored within two minutes.

    Parameters
    ----------
    last
        Try nothing; show what came of the last one.
    """
    client = gateway(as_)
    result = next(iter(client.drills()), None) if last else client.drill()
    if result is None:
        raise CommandFailed("there was no drill in the last three months: `journeyman drill` makes one")
    if json:
        print_json(result)
    else:
        out().print(f"{plain(result.drill_id)}  {result.began:%Y-%m-%d %H:%M:%S} UTC  by {plain(result.asked_by)}")
        if result.merge_commit and result.revert is not None:
            commit = f", taken back by {result.revert.commit[:12]}" if result.revert.commit else ""
            out().print(f"merged {result.merge_commit[:12]} in {plain(result.repository)}{plain(commit)}")
        out().print(plain(result.told))
    if not result.kept and not result.merge_commit:
        raise CommandFailed("nothing was tried, so it is not known whether the promise holds")
    if not result.kept:
        raise CommandFailed("the promise to take a merge back within two minutes did not hold")
