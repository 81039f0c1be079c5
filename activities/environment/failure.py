"""What a set-up that failed says: the end of its output, what it was refused, and what a person can do."""

from collections.abc import Iterable, Sequence

from activities.egress.contract import EgressRecord
from activities.egress.replies import UNLOCKED_RULE
from activities.environment.reach import Reach
from activities.sandbox.contract import RunStatus
from workflows.models.policy import RegistryReach, Setup
from workflows.models.run import RunEnd

_LAST_LINES = 30
_LAST_CHARACTERS = 4000
_MOST_NAMED = 20
_SAYS_WHAT = (
    "What is set up says [setup] in .journeyman/team.toml on the base branch, else it is what lock files there pin by "
    "hash; `commands = []` in that table sets up nothing."
)


def failure(status: RunStatus, output: bytes, records: Sequence[EgressRecord], reach: Reach, setup: Setup) -> str:
    """For people. What a set-up printed is made plain text."""
    if status.end is RunEnd.EXITED:
        how = f"a command ended with exit code {status.exit_code}"
    else:
        how = f"it was ended: {status.end.value}" + (f", {status.detail}" if status.detail else "")
    text = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in output.decode(errors="replace"))
    last = "\n".join(text.strip().splitlines()[-_LAST_LINES:])[-_LAST_CHARACTERS:]
    # What can be done about it comes first: lists of tasks and findings show no more than the beginning.
    hints = _hints(status, records, reach, setup)
    told = [
        f"setting up the environment failed: {how}.",
        *hints,
        _SAYS_WHAT,
        "The end of its output:",
        last or "(it printed nothing)",
    ]
    return "\n".join(told)


def _hints(status: RunStatus, records: Sequence[EgressRecord], reach: Reach, setup: Setup) -> list[str]:
    hints = []
    unlocked = _first(record.path for record in records if record.rule == UNLOCKED_RULE)
    refused = _first(
        record.host for record in records if not record.allowed and record.host and record.rule != UNLOCKED_RULE
    )
    if unlocked:
        hints.append(
            f"Not pinned, and so refused: {', '.join(unlocked)}. A set-up gets what its lock files pin; add it to one "
            "that `lock_files` names."
        )
    if refused and setup.registry is RegistryReach.WHOLE:
        hints.append(
            f"Refused by the egress gateway: {', '.join(refused)}. A set-up reaches package registries only; a person "
            "can add a registry to this machine's pip or npm configuration."
        )
    elif refused:
        hints.append(
            f"Refused by the egress gateway: {', '.join(refused)}. A set-up reaches what its lock files pin, through "
            "the addresses that pip and npm find in its environment, and nothing else. Tools that fetch from addresses "
            'of their own need `registry = "whole"` below [setup] in .journeyman/team.toml on the base branch.'
        )
    if reach.missing:
        hints.append(
            f"No file that fits this machine was found for: {', '.join(reach.missing[:_MOST_NAMED])}."
            + ("" if setup.install_scripts else " Wheels alone count while packages may run no code of their own.")
        )
    if reach.missing and not setup.install_scripts:
        hints.append(
            "Packages may not run code of their own, and a source distribution is built by such. If one has to be, "
            "set `install_scripts = true` below [setup] in .journeyman/team.toml on the base branch."
        )
    return hints


def _first(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))[:_MOST_NAMED]
