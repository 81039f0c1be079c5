"""What the suite prints: a table for each group, what got out, and one line of JSON."""

import json
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.containment.attempt import Outcome, Verdict

_STYLES = {
    Verdict.HELD: "green",
    Verdict.ESCAPED: "bold red",
    Verdict.NOT_APPLICABLE: "yellow",
    Verdict.UNPROVEN: "bold red",
}
_SHOWN = 70


def print_tables(console: Console, backend: str, outcomes: Sequence[Outcome]) -> None:
    """One table for each group, in the order of the suite."""
    groups = dict.fromkeys(outcome.attempt.group for outcome in outcomes)
    for group in groups:
        table = Table(
            "attempt", "", "shown to work", "how it ended", title=f"{backend}: {group}", box=None, pad_edge=False
        )
        table.title_justify = "left"
        for outcome in outcomes:
            if outcome.attempt.group == group:
                table.add_row(
                    Text(outcome.attempt.name),
                    Text(outcome.verdict.replace("_", " "), style=_STYLES[outcome.verdict]),
                    Text(outcome.attempt.controlled_by),
                    Text(" ".join(outcome.detail.split())[:_SHOWN]),
                )
        console.print(table)
        console.print()


def print_failures(console: Console, backend: str, outcomes: Sequence[Outcome]) -> None:
    """Everything that got out, and everything that was not shown."""
    for outcome in outcomes:
        if outcome.verdict in {Verdict.ESCAPED, Verdict.UNPROVEN}:
            attempt = outcome.attempt
            console.print(Text(f"{backend}: {attempt.name} {outcome.verdict}", style="bold red"))
            console.print(Text(f"  success is: {attempt.success}"))
            console.print(Text(f"  what happened: {outcome.detail}"))
    gone = Counter(outcome.detail for outcome in outcomes if outcome.verdict is Verdict.NOT_APPLICABLE)
    for reason, count in gone.items():
        console.print(Text(f"{backend}: {count} not applicable: {reason}", style="yellow"))


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Of one backend, as they are in the line of JSON."""
    found = Counter(outcome.verdict for outcome in outcomes)
    return {"attempts": len(outcomes), **{verdict.value: found[verdict] for verdict in Verdict}}


def failed(outcomes: Sequence[Outcome]) -> bool:
    """Whether anything got out or was not shown."""
    return any(outcome.verdict in {Verdict.ESCAPED, Verdict.UNPROVEN} for outcome in outcomes)


def as_line(backends: dict[str, dict[str, int] | dict[str, str]]) -> str:
    """The last line."""
    return json.dumps(backends)
