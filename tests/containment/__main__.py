"""`make containment`: attacks every sandbox backend of this machine, and says what got out.

Each attempt is first made where it has to succeed: without the sandbox, or with the one guard taken away that is there
to stop it. So none is held for a wrong reason. Exit code 1 if anything got out, or could not be shown.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from activities.removal import remove
from activities.sandbox.stage import stage_runtime
from tests.containment import report
from tests.containment.attempt import Attempt, Outcome
from tests.containment.backends import BACKENDS, Unavailable
from tests.containment.ground import Ground
from tests.containment.suite import GROUPS, NoSuchAttempt, Proven, chosen, make_all


def main() -> int:
    """Run what the command line names, or everything."""
    given = _arguments()
    try:
        attempts = chosen(given.only)
    except NoSuchAttempt as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.list:
        for attempt in attempts:
            sys.stdout.write(f"{attempt.group:12} {attempt.name:60} {attempt.success}\n")
        return 0
    logging.disable(logging.ERROR)
    return asyncio.run(_attack(given.backends or list(BACKENDS), attempts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.containment", description=__doc__)
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help=f"all of them: {', '.join(BACKENDS)}")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help=f"a group ({', '.join(GROUPS)}) or one attempt"
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and what success would be")
    given = parser.parse_args()
    if unknown := set(given.backends) - set(BACKENDS):
        parser.error(f"there is no backend {min(unknown)!r}; choose from {', '.join(BACKENDS)}")
    return given


async def _attack(backends: list[str], attempts: list[Attempt]) -> int:
    progress, console = (
        Console(stderr=True, highlight=False, soft_wrap=True),
        Console(file=sys.stdout, highlight=False, width=170),
    )
    line: dict[str, dict[str, int] | dict[str, str]] = {}
    proven: Proven = {}
    bad = False
    for name in backends:
        began = time.monotonic()
        try:
            outcomes = await _on(name, attempts, proven, progress)
        except Unavailable as reason:
            console.print(f"{name} is not available on this machine: {reason}\n")
            line[name] = {"unavailable": str(reason)}
            continue
        report.print_tables(console, name, outcomes)
        report.print_failures(console, name, outcomes)
        console.print(f"{name}: {report.counts(outcomes)} in {time.monotonic() - began:.0f} s\n")
        line[name] = report.counts(outcomes)
        bad = bad or report.failed(outcomes)
    sys.stdout.write(report.as_line(line) + "\n")
    sys.stdout.flush()
    return int(bad)


async def _on(name: str, attempts: list[Attempt], proven: Proven, progress: Console) -> list[Outcome]:
    home = Path(tempfile.mkdtemp(prefix="jc-", dir="/tmp"))
    home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    done = 0

    def tell(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        progress.print(
            f"{done:3}/{len(attempts)} {name} {outcome.attempt.group}: {outcome.attempt.name} "
            f"{outcome.verdict.replace('_', ' ')} ({outcome.seconds:.1f} s)"
        )

    try:
        stage = await asyncio.to_thread(stage_runtime, home)
        with BACKENDS[name](home / "runs", stage) as attacked:
            ground = Ground.at(home, attacked, stage)
            async with ground.closing:
                return await make_all(attempts, ground, proven, tell)
    finally:
        await asyncio.to_thread(remove, home)


if __name__ == "__main__":
    sys.exit(main())
