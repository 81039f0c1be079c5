"""The command by which CI and monitors say how base is doing."""

import re
from typing import Literal

from workers.cli.client import CommandFailed
from workers.cli.options import As, Json, Message, address_of, gateway
from workers.cli.terminal import out, plain, print_json
from workers.gateway.messages import NewObservation
from workflows.models.plural import plural


def signal(
    state: Literal["good", "bad"],
    /,
    *,
    repo: str,
    commit: str,
    name: str = "ci",
    link: str = "",
    message: Message = "",
    as_: As = "",
    json: Json = False,
) -> None:
    """Report that a commit of base is good or bad, as CI and monitors do after a merge.

    Base is watched for a while after each merge. When a signal turns bad with it, what policy merged is taken back by
    policy, and people are left to decide about what people merged. What was bad before is nobody's doing.

    Parameters
    ----------
    repo
        Path of the git repository, as it was given to `journeyman run`.
    commit
        The commit of the base branch, in full, such as `$(git rev-parse HEAD)`.
    name
        Which signal it is, such as `ci` or `error-rate`; each is compared with itself alone.
    link
        Where more is told.
    """
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        raise CommandFailed(
            f"--commit takes a commit in full, such as $(git rev-parse HEAD), not {commit[:80]!r}", code=2
        )
    path = address_of(repo)
    asked = NewObservation(repository=path, commit=commit, name=name, good=state == "good", detail=message, link=link)
    observed = gateway(as_).observe(asked)
    print_json(observed) if json else out().print(
        f"{plain(name)} is {state} on {plain(commit[:12])}; {plural(observed.watches, 'watch')} told"
    )
