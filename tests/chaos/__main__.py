"""`make chaos`: KILLS=30 SEED=7 TASKS=6 GAP=3 ONLY="worker killed,host lost". Exit code 0 if nothing was lost.

Interrupted once (Ctrl-C), no more faults strike, and the report comes when everything has settled; interrupted twice,
it is of what has settled so far.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

from activities.removal import remove
from tests.chaos.faults import KINDS
from tests.chaos.report import show
from tests.chaos.trial import Terms, Wishes, trial


def _terms() -> tuple[Terms, bool]:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--tasks", type=int, default=6, help="under way at the same time")
    parser.add_argument("--gap", type=float, default=3.0, help="mean seconds between two faults")
    parser.add_argument("--only", default="", help=f"with commas, from: {', '.join(KINDS)}")
    parser.add_argument("--keep", action="store_true", help="leave the state directory for a look at it")
    given = parser.parse_args()
    only = tuple(kind.strip() for kind in given.only.split(",") if kind.strip())
    if unknown := set(only) - set(KINDS):
        parser.error(f"there is no fault {min(unknown)!r}; choose from {', '.join(KINDS)}")
    return Terms(given.kills, given.seed, given.tasks, given.gap, only), given.keep


def _listen(wishes: Wishes) -> None:
    def interrupted() -> None:
        (wishes.end_now if wishes.no_more_faults.is_set() else wishes.no_more_faults).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted)


async def _main() -> int:
    terms, keep = _terms()
    wishes = Wishes()
    _listen(wishes)
    # What can't reach a part that is down is no news here.
    logging.disable(logging.ERROR)
    state = Path(tempfile.mkdtemp(prefix="jc-", dir="/tmp"))
    state.chmod(0o711 if os.geteuid() == 0 else 0o700)
    try:
        findings = await trial(state, terms, lambda line: print(line, file=sys.stderr, flush=True), wishes)
    finally:
        if keep:
            print(f"left in {state}", file=sys.stderr)
        else:
            await asyncio.to_thread(remove, state)
    show(findings)
    return 0 if findings.ok else 1


if __name__ == "__main__":
    code = asyncio.run(_main())
    # A process that used the Temporal client can abort while the interpreter shuts down.
    os._exit(code)
