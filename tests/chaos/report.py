"""What the kill test found: a table for people, and one line of JSON."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import percentile
from tests.chaos.faults import KINDS
from tests.chaos.ledger import Account
from tests.chaos.recovery import Recovered


@dataclass
class Findings:
    """All of one run of the kill test."""

    seed: int
    kills: int
    """Faults that were to strike."""
    seconds: float = 0
    accounts: list[Account] = field(default_factory=list)
    recovered: list[Recovered] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    """Kinds whose turn came when there was no victim."""
    orphans: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    """Intents of which nothing is known yet, since somebody ended the trial before they were."""

    @property
    def ok(self) -> bool:
        """Whether every fault that was asked for has struck, and nothing was lost, doubled or left over."""
        line = self.line()
        is_whole = line["kills"] == self.kills and not self.unfinished
        return (
            is_whole
            and line["exactly_one"] == line["tasks"]
            and not any(line[name] for name in ("duplicates", "lost_checkpoints", "orphans"))
        )

    def line(self) -> dict[str, float | int | None]:
        """The figures."""
        times = _times(self.recovered)
        return {
            "tasks": len(self.accounts),
            "unfinished": len(self.unfinished),
            "kills": len(self.recovered),
            "kills_asked": self.kills,
            "exactly_one": sum(account.exactly_one for account in self.accounts),
            "duplicates": sum(account.is_duplicate for account in self.accounts),
            "lost_checkpoints": sum(len(account.lost_checkpoints) for account in self.accounts),
            "orphans": len(self.orphans),
            "needed_a_person": sum(bool(account.asked.interventions) for account in self.accounts),
            "checkpoints": sum(account.checkpoints for account in self.accounts),
            "tool_calls": sum(account.calls for account in self.accounts),
            "repeated_tool_calls": sum(account.repeated_calls for account in self.accounts),
            "never_recovered": sum(one.seconds is None for one in self.recovered),
            "recover_p50_s": percentile(times, 50) if times else None,
            "recover_p99_s": percentile(times, 99) if times else None,
            "seconds": round(self.seconds),
            "seed": self.seed,
        }


def show(findings: Findings) -> None:
    """Print it."""
    console = Console(file=sys.stdout, highlight=False, width=150)
    console.print(_by_fault(findings))
    for account in findings.accounts:
        for said in (*account.faults, *account.lost_checkpoints):
            console.print(f"[red]wrong[/red]  {account.asked.name}: {said}", markup=True)
        for said in account.asked.interventions:
            console.print(f"person {account.asked.name}: {said}", markup=False)
    if findings.unfinished:
        console.print(f"ended before these were: {', '.join(findings.unfinished)}", markup=False)
    for said in (*findings.given_up, *(f"orphan {orphan}" for orphan in findings.orphans)):
        console.print(said, markup=False)
    sys.stdout.write(json.dumps(findings.line()) + "\n")
    sys.stdout.flush()


def _by_fault(findings: Findings) -> Table:
    columns = (
        "fault",
        "times",
        "no victim",
        "tasks hit",
        "exactly one",
        "duplicates",
        "lost",
        "a person",
        "repeated calls",
    )
    table = Table(*columns, "p50 s", "p99 s", box=None, pad_edge=False)
    for kind in KINDS:
        struck = [one for one in findings.recovered if one.struck.drawn.kind == kind]
        table.add_row(kind, *_row(findings, struck, findings.missed.count(kind)))
    table.add_row("all", *_row(findings, findings.recovered, len(findings.missed)))
    return table


def _row(findings: Findings, struck: Sequence[Recovered], missed: int) -> tuple[str, ...]:
    hit = frozenset().union(*(one.struck.tasks for one in struck))
    accounts = [account for account in findings.accounts if hit & set(account.asked.tasks)]
    times = _times(struck)
    return (
        str(len(struck)),
        str(missed),
        str(len(accounts)),
        str(sum(account.exactly_one for account in accounts)),
        str(sum(account.is_duplicate for account in accounts)),
        str(sum(account.merges == 0 for account in accounts)),
        str(sum(bool(account.asked.interventions) for account in accounts)),
        str(sum(account.repeated_calls for account in accounts)),
        f"{percentile(times, 50):.1f}" if times else "-",
        f"{percentile(times, 99):.1f}" if times else "-",
    )


def _times(recovered: Sequence[Recovered]) -> list[float]:
    return [one.seconds for one in recovered if one.seconds is not None]
