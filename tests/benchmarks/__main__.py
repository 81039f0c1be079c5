"""`make bench`: measures, prints a table, and last one line of JSON with every figure.

`make bench BENCH="overhead egress"` measures some only. Nothing here fails for being slow: machines are noisy, and a
benchmark is not a test.
"""

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from activities.removal import remove
from tests.benchmarks import (
    burst,
    checkpoint,
    container_start,
    crowd,
    deeper,
    egress,
    halt,
    meter,
    overhead,
    parked,
    processor,
    revert,
    sandbox_start,
    script,
    slack,
    throughput,
    webhooks,
)
from tests.benchmarks.figures import Figure

Benchmark = Callable[[Path], Awaitable[list[Figure]]]

BENCHMARKS: dict[str, Benchmark] = {
    "overhead": overhead.measure,
    "deeper": deeper.measure,
    "script": script.measure,
    "sandbox-start": sandbox_start.measure,
    "container-start": container_start.measure,
    "crowd": crowd.measure,
    "egress": egress.measure,
    "checkpoint": checkpoint.measure,
    "halt": halt.measure,
    "meter": meter.measure,
    "throughput": throughput.measure,
    "processor": processor.measure,
    "revert": revert.measure,
    "parked": parked.measure,
    "burst": burst.measure,
    "webhooks": webhooks.measure,
    "slack": slack.measure,
}


async def main(names: list[str]) -> int:
    """Measure what is named, or everything."""
    if unknown := set(names) - set(BENCHMARKS):
        sys.stderr.write(f"there is no benchmark {min(unknown)!r}; choose from {', '.join(BENCHMARKS)}\n")
        return 2
    # Steps that are cancelled or retried are no news here.
    logging.disable(logging.ERROR)
    console = Console(stderr=True, highlight=False)
    figures: list[Figure] = []
    for name in names or list(BENCHMARKS):
        began = time.monotonic()
        console.print(f"measuring {name} …")
        async with _state() as state:
            figures += await BENCHMARKS[name](state)
        console.print(f"  {time.monotonic() - began:.0f} s")
    _print(figures)
    sys.stdout.write(json.dumps({figure.name: figure.value for figure in figures}) + "\n")
    sys.stdout.flush()
    return 0


@asynccontextmanager
async def _state() -> AsyncIterator[Path]:
    """A short state directory that uids of sandboxes can pass through."""
    path = Path(tempfile.mkdtemp(prefix="jb-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    try:
        yield path
    finally:
        await asyncio.to_thread(remove, path)


def _print(figures: list[Figure]) -> None:
    table = Table("figure", "value", "goal", "", "how", box=None, pad_edge=False)
    marks = {True: "[green]met[/green]", False: "[yellow]missed[/yellow]", None: ""}
    for figure in figures:
        sign = "≤" if figure.better == "less" else "≥"
        goal = f"{sign} {figure.goal:g}" if figure.goal is not None else ""
        value = "-" if figure.value is None else f"{figure.value:g} {figure.unit}".strip()
        table.add_row(figure.name, value, goal, marks[figure.met], figure.detail)
    Console(file=sys.stdout, highlight=False, width=160).print(table)


if __name__ == "__main__":
    code = asyncio.run(main(sys.argv[1:]))
    # A process that used the Temporal client can abort while the interpreter shuts down.
    os._exit(code)
