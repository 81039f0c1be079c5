"""A run that works is told from one that rests, from outside and whatever made its sandbox."""

import asyncio
import time
from collections.abc import Callable

from activities.sandbox.contract import Vitals
from tests.activities.sandbox.cell import PATIENCE, Cell


async def seen(cell: Cell, run_id: str, wanted: Callable[[Vitals], bool]) -> Vitals:
    deadline = time.monotonic() + PATIENCE
    while not wanted(vitals := await cell.sandboxes.vitals(run_id)):
        assert time.monotonic() < deadline, f"never seen: {vitals}"
        await asyncio.sleep(0.02)
    return vitals


async def test_processor_time_of_processes_of_processes_is_seen_also_when_they_are_gone(cell: Cell) -> None:
    burn = "python3 -c 'import time\nwhile time.process_time() < 1: pass'"
    spec = cell.spec("bash", "-c", f"(({burn}); ({burn}) & wait); echo over; sleep 600")
    await cell.sandboxes.start(spec)
    vitals = await seen(cell, spec.run_id, lambda vitals: vitals.output_bytes == len("over\n"))
    assert vitals.cpu_seconds is not None
    assert 1.9 <= vitals.cpu_seconds <= 10
    await cell.sandboxes.stop(spec.run_id, "seen")


async def test_a_run_that_waits_uses_next_to_nothing_and_one_that_stands_still_says_so(cell: Cell) -> None:
    spec = cell.spec("bash", "-c", "echo waiting; sleep 600")
    await cell.sandboxes.start(spec)
    before = await seen(cell, spec.run_id, lambda vitals: bool(vitals.output_bytes) and vitals.cpu_seconds is not None)
    assert not before.stands_still
    await cell.sandboxes.freeze(spec.run_id)
    after = await seen(cell, spec.run_id, lambda vitals: vitals.stands_still)
    assert after.cpu_seconds is not None and before.cpu_seconds is not None
    assert after.cpu_seconds - before.cpu_seconds < 0.2
    await cell.sandboxes.thaw(spec.run_id)
    await seen(cell, spec.run_id, lambda vitals: not vitals.stands_still)
    await cell.sandboxes.stop(spec.run_id, "seen")
