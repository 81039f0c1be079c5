"""A run that is halted stands still whatever else would let it go on, and loses nothing by it."""

import asyncio
import time

from activities.sandbox.host import HostSandboxes
from tests.activities.sandbox.cell import Cell, bubblewrap_alone, eventually
from tests.activities.sandbox.test_survival import TICKING
from workflows.models.halt import OWN, HaltScope, Reach, Work
from workflows.models.run import RunEnd


def work_of(cell: Cell, name: str = "shop") -> Work:
    return Work(repository=f"/{cell.token}/{name}", team=name)


def halt_of(work: Work) -> HaltScope:
    return HaltScope(reach=Reach.REPOSITORY, name=work.repository)


async def start(cell: Cell, work: Work | None, *command: str, wall_seconds: float = 30) -> str:
    spec = cell.spec(*(command or ("python3", "-c", TICKING)), wall_seconds=wall_seconds)
    await cell.sandboxes.start(spec.model_copy(update={"work": work}))
    await cell.says(spec.run_id, b"\n")
    return spec.run_id


async def goes_on(cell: Cell, run_id: str) -> None:
    said = len(cell.output(run_id))
    await eventually(lambda: len(cell.output(run_id)) > said, f"{run_id} goes on")


async def test_only_what_is_halted_stands_still_and_goes_on_when_it_is_lifted(cell: Cell) -> None:
    shop, till = work_of(cell), work_of(cell, "till")
    halted, other = await start(cell, shop), await start(cell, till)
    assert cell.sandboxes.halt(halt_of(shop).covers) == (halted,)
    await eventually(lambda: cell.sandboxes.stands_still(halted), "it stands still")
    said = cell.output(halted)
    await goes_on(cell, other)
    # Whoever thaws it at a cap, or after a checkpoint, lets nobody go on who is halted.
    await cell.sandboxes.freeze(halted)
    await cell.sandboxes.thaw(halted)
    await goes_on(cell, other)
    assert cell.output(halted) == said
    # As another process would, such as the worker that comes after one that died.
    assert HostSandboxes(cell.runs, cell.sandboxes._backend).halt(lambda work: work == till) == (other,)
    await goes_on(cell, halted)
    await eventually(lambda: cell.sandboxes.stands_still(other), "it stands still")


async def test_a_run_of_which_it_is_not_known_whose_it_is_is_halted_and_a_trial_of_the_host_is_not(cell: Cell) -> None:
    unknown, trial = await start(cell, None), await start(cell, OWN)
    halted = cell.sandboxes.halt(halt_of(work_of(cell)).covers)
    assert (unknown in halted, trial in halted) == (True, False)
    assert cell.sandboxes.halt(lambda _: False) == ()
    await goes_on(cell, unknown)


async def test_a_halt_takes_none_of_the_time_that_a_run_has(cell: Cell) -> None:
    shop = work_of(cell)
    run_id = await start(cell, shop, "bash", "-c", "echo began; sleep 0.4; echo done", wall_seconds=1.0)
    cell.sandboxes.halt(halt_of(shop).covers)
    await eventually(lambda: cell.sandboxes.stands_still(run_id), "it stands still")
    began = time.monotonic()
    await eventually(lambda: time.monotonic() - began > 1.3, "more than its deadline passes")
    cell.sandboxes.halt(lambda _: False)
    status, output = await cell.end(run_id)
    assert (status.end, output) == (RunEnd.EXITED, b"began\ndone\n")


async def test_a_halted_run_can_be_cancelled(cell: Cell) -> None:
    shop = work_of(cell)
    run_id = await start(cell, shop)
    cell.sandboxes.halt(halt_of(shop).covers)
    await eventually(lambda: cell.sandboxes.stands_still(run_id), "it stands still")
    await cell.sandboxes.stop(run_id, "cancelled while halted")
    assert (await cell.end(run_id))[0].end is RunEnd.STOPPED


@bubblewrap_alone
async def test_twenty_sandboxes_stand_still_within_three_seconds_of_being_told(cell: Cell) -> None:
    """With the two seconds in which a host looks, that is five."""
    shop = work_of(cell)
    script = "import time\nwhile True:\n    print('tick', flush=True)\n    time.sleep(0.2)\n"
    runs = await asyncio.gather(*(start(cell, shop, "python3", "-c", script) for _ in range(20)))
    began = time.monotonic()
    assert set(cell.sandboxes.halt(halt_of(shop).covers)) == set(runs)
    await eventually(lambda: all(map(cell.sandboxes.stands_still, runs)), "all of them stand still")
    assert time.monotonic() - began < 3
    said = [len(cell.output(run_id)) for run_id in runs]
    cell.sandboxes.halt(lambda _: False)

    def all_go_on() -> bool:
        return all(len(cell.output(run_id)) > before for run_id, before in zip(runs, said, strict=True))

    await eventually(all_go_on, "all of them go on")
