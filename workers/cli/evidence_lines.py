"""Evidence as lines for a terminal, the worst first."""

import sys

from rich.console import Console

from workers.cli.terminal import out, plain, safe_block
from workflows.models.evidence import CheckOutcome, CheckRun, Evidence, Finding, Severity
from workflows.models.plural import plural

_COLOURS = {Severity.BLOCKER: "red", Severity.PERSON: "yellow", Severity.NOTE: "dim"}


def made_by(backend: str, runtime: str) -> str:
    """`container, by runc of Podman 4.3.1`."""
    return f"{backend}, by {runtime}" if runtime else backend


def print_evidence(evidence: Evidence) -> None:
    """What was found out, the worst first."""
    console = out()
    console.print(
        f"evidence for {plain(evidence.head[:12])} on {plain(evidence.base_commit[:12])}  "
        f"(hash {evidence.digest()[:16]})"
    )
    for name, run in (("base", evidence.base), ("guarded", evidence.guarded), ("patched", evidence.patched)):
        console.print(f"  {name:8} {_checks(run)}")
    if evidence.turned:
        console.print(f"  [green]turned[/green]   {plain(', '.join(evidence.turned), 300)}")
    _print_depth(evidence, console)
    for claim in evidence.claims:
        console.print(f"  claim    {claim.holds}: {plain(claim.said, 120)!r} ({plain(claim.shown_by, 200)})")
    print_findings(evidence.findings, console)
    if evidence.egress_refused:
        console.print(f"  refused hosts: {plain(', '.join(evidence.egress_refused))}  (journeyman egress --refused)")
    if evidence.egress_allowed:
        console.print(f"  hosts beyond the policy's list: {plain(', '.join(evidence.egress_allowed))}")
    if evidence.packages:
        console.print(f"  packages of its own lock files: {plain(', '.join(evidence.packages), 2000)}")
    if evidence.hangs:
        console.print(f"  hung     {plain(', '.join(evidence.hangs))}")
    if evidence.backend:
        console.print(f"  sandbox  {plain(made_by(evidence.backend, evidence.runtime))}")
    grades = ", ".join(f"{name} {grade}" for name, grade in evidence.grades.model_dump().items())
    console.print(f"  limits   {grades}")


def _print_depth(evidence: Evidence, console: Console) -> None:
    """What further runs of the checks showed."""
    for name, runs in (("base", evidence.base_again), ("patched", evidence.patched_again)):
        for run in runs:
            console.print(f"  {name:8} again: {_checks(run)}")
    if evidence.flaky:
        console.print(f"  [yellow]flaky[/yellow]    {plain(', '.join(evidence.flaky), 300)}")
    coverage, mutation = evidence.coverage, evidence.mutation
    if coverage is not None:
        measured = f"{coverage.run} of {plural(coverage.statements, 'changed statement')} run by the checks"
        console.print(f"  changed  {plain(coverage.unknown) if coverage.unknown else measured}")
    if mutation is not None and (mutation.tried or mutation.stopped):
        stopped = f"; {plain(mutation.stopped)}" if mutation.stopped else ""
        console.print(
            f"  faults   {mutation.noticed} of {mutation.tried} noticed, in {plural(mutation.lines, 'line')}{stopped}"
        )


def print_check_output(outcome: CheckOutcome, on: str, output: bytes) -> None:
    """What one check printed, below a line that says how it ended."""
    ended = f"exit code {outcome.exit_code}" if outcome.exit_code is not None else str(outcome.end)
    out().print(f"[bold]check {plain(outcome.name, 80)} on {on}: {ended}[/bold]")
    sys.stdout.write(safe_block(output) if output else "(it printed nothing)\n")


def print_findings(findings: tuple[Finding, ...], console: Console) -> None:
    """What was found, the worst first."""
    order = list(Severity)
    for finding in sorted(findings, key=lambda finding: order.index(finding.severity)):
        colour = _COLOURS[finding.severity]
        where = f" {plain(finding.path, 100)}" if finding.path else ""
        where += f":{finding.line}" if finding.line else ""
        console.print(
            f"  [{colour}]{finding.severity:8}[/{colour}] {plain(finding.rule)}{where}: {plain(finding.message, 300)}"
        )


def _checks(run: CheckRun) -> str:
    if not run.outcomes:
        return "no checks"
    parts = []
    for outcome in run.outcomes:
        state = (
            "[green]passed[/green]"
            if outcome.passed
            else f"[red]{'failed' if outcome.exit_code else outcome.end}[/red]"
        )
        tests = f", {plural(outcome.tests, 'test')}" if outcome.tests else ""
        failed = f", failed: {plain(', '.join(outcome.failed), 200)}" if outcome.failed else ""
        parts.append(f"{plain(outcome.name, 40)} {state} in {outcome.seconds:.1f} s{tests}{failed}")
    return "; ".join(parts)
