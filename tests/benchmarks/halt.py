"""From a halt on record to the moment in which every sandbox of a host stands still, and back."""

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from activities.archive.objects import Objects
from activities.decisions.halts import HaltRecord
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.host.halting import LOOK_SECONDS, HostHalts
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from tests.benchmarks.figures import Figure, median, spread
from workers.repeating import repeat
from workflows.models.halt import HaltAction, HaltEntry, HaltScope, Reach, Work
from workflows.models.limits import Limits
from workflows.models.person import Person

_SANDBOXES = 20
_RUNS = 5
_WORK = Work(repository="/bench", team="bench")
_TICKING = "while true; do echo tick; sleep 0.2; done"


async def measure(state: Path) -> list[Figure]:
    """Halt and resume a host with twenty sandboxes at work, several times, in moments that chance chooses."""
    sandboxes = BubblewrapSandboxes(state / "runs", stage_runtime(state))
    await asyncio.to_thread(sandboxes.grades)
    key = SigningKey.load_or_create(state / "keys", "gateway")
    record = HaltRecord(Objects.open(str(state / "archive")), TrustedKeys(lambda: (key.public_key,)), key)
    halts = HostHalts(record, sandboxes, blind_seconds=600)
    runs = [f"bench-{number}" for number in range(_SANDBOXES)]
    for run_id in runs:
        limits = Limits(wall_seconds=600)
        await sandboxes.start(SandboxSpec(run_id=run_id, command=("sh", "-c", _TICKING), limits=limits, work=_WORK))

    async def look() -> None:
        await halts.look()

    looking = asyncio.create_task(repeat("find out what is halted", look, LOOK_SECONDS))
    halted, resumed = [], []
    try:
        for _ in range(_RUNS):
            halt = _entry(HaltAction.HALT)
            halted.append(await _took(record, halt, lambda: all(map(sandboxes.stands_still, runs))))
            lifted = _entry(HaltAction.RESUME, halt.id)
            resumed.append(await _took(record, lifted, lambda: not any(map(sandboxes.stands_still, runs))))
            await asyncio.sleep(secrets.randbelow(1500) / 1000)
    finally:
        looking.cancel()
        for run_id in runs:
            await sandboxes.stop(run_id, "measured")
    how = f"{_SANDBOXES} sandboxes on one host"
    return [
        Figure("halt_freeze_s", max(halted), "s", goal=5, detail=f"the slowest; {how}; {_told(halted)}"),
        Figure("halt_resume_s", max(resumed), "s", goal=2, detail=f"the slowest; {how}; {_told(resumed)}"),
    ]


def _told(seconds: list[float]) -> str:
    return f"median {median(seconds):.2f} s, {spread(seconds)}"


async def _took(record: HaltRecord, entry: HaltEntry, done: Callable[[], bool]) -> float:
    began = time.monotonic()
    await record.add(entry)
    while not done():
        await asyncio.sleep(0.01)
    return round(time.monotonic() - began, 3)


def _entry(action: HaltAction, *lifts: str) -> HaltEntry:
    return HaltEntry(
        id=secrets.token_hex(8),
        action=action,
        scope=HaltScope(reach=Reach.ALL),
        lifts=lifts,
        person=Person(id="bench"),
        reason="to measure",
        at=datetime.now(UTC),
    )
