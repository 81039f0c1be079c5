"""What becomes of a run when a worker, its supervisor, or the touch with Temporal is lost."""

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.sandbox import run_directory
from activities.sandbox.backend import Backend, Enforceable
from activities.sandbox.cgroups import Cgroup
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.launch import BubblewrapLaunch, Launch
from activities.sandbox.runs import LeaseTerms, Runs
from activities.sandbox.stage import Stage
from activities.sandbox.uids import UndroppedRoot
from tests.activities.sandbox.cell import Cell, bubblewrap_alone, eventually, follow
from tests.support.engines import BASE, Engine
from workflows.models.limits import LimitGrades
from workflows.models.run import RunEnd

TICKING = """
import time
while True:
    print(time.monotonic(), flush=True)
    time.sleep(0.01)
"""
LONG = 600.0

WORKER = """
import asyncio, os, pathlib, signal, sys
from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.container.backend import ContainerBackend
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import Stage

async def main():
    stage, engine = Stage(pathlib.Path(sys.argv[2])), sys.argv[4:]
    backend = ContainerBackend(stage, socket=engine[0], image=engine[1]) if engine else BubblewrapBackend(stage)
    sandboxes = HostSandboxes(pathlib.Path(sys.argv[1]), backend)
    await sandboxes.start(SandboxSpec.model_validate_json(sys.argv[3]))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


STOPPER = """
import os, pathlib, signal, subprocess, sys
command = [sys.executable, "-P", "-m", "activities.sandbox.supervisor", sys.argv[1]]
starter = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
forked = pathlib.Path(f"/proc/{starter.pid}/task/{starter.pid}/children")
while starter.poll() is None and not forked.read_text():
    pass
if starter.poll() is None:
    os.kill(starter.pid, signal.SIGSTOP)
    _, status = os.waitpid(starter.pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        print(starter.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


async def _killed_worker(cell: Cell, stage: Stage, spec: SandboxSpec) -> None:
    """A worker that starts a run and is killed at once."""
    root = str(Path(__file__).parents[3])
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER, str(cell.runs), str(stage.root), spec.model_dump_json()),
        *((str(cell.engine.socket), BASE) if cell.engine else ()),
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    assert await worker.wait() == -signal.SIGKILL


async def test_a_run_goes_on_when_its_worker_is_killed_and_the_next_one_misses_nothing(
    cell: Cell, stage: Stage, backend: Backend
) -> None:
    spec = cell.spec("bash", "-c", "echo before; until [ -e go ]; do sleep 0.02; done; echo after; exit 5")
    await _killed_worker(cell, stage, spec)
    next_worker = HostSandboxes(cell.runs, backend)
    assert spec.run_id in next_worker.live_runs()
    # A retry of the step starts it again, which finds it.
    await next_worker.start(spec)
    (cell.workspace / "go").touch()
    status, output = await follow(next_worker, spec.run_id)
    assert (status.end, status.exit_code, output) == (RunEnd.EXITED, 5, b"before\nafter\n")


@bubblewrap_alone
async def test_what_waits_for_a_supervisor_ends_with_its_worker_even_if_somebody_stopped_it(
    cell: Cell, backend: Backend
) -> None:
    runs = Runs(cell.runs, backend, LeaseTerms(LONG, LONG))
    root = str(Path(__file__).parents[3])
    for _ in range(20):
        spec = cell.spec("echo", "done")
        runs.make(spec, runs.launch(spec, cell.uid, Enforceable(LimitGrades())))
        runs.lease.touch()
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", STOPPER, str(cell.directory(spec.run_id).path)),
            env={**os.environ, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
        )
        said, _ = await worker.communicate()
        status, output = await cell.end(spec.run_id)
        assert (status.end, output) == (RunEnd.EXITED, b"done\n")
        if said:  # Else it was done before it could be stopped.
            break
    assert said
    try:
        await eventually(lambda: not Path(f"/proc/{int(said)}").exists(), "the kernel ends it")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(said), signal.SIGKILL)


async def test_a_run_that_ended_while_no_worker_was_there_keeps_its_result(
    cell: Cell, stage: Stage, backend: Backend
) -> None:
    spec = cell.spec("bash", "-c", "echo finished; exit 4")
    await _killed_worker(cell, stage, spec)
    await eventually(cell.directory(spec.run_id).status.exists, "it ends without us")
    status, output = await follow(HostSandboxes(cell.runs, backend), spec.run_id)
    assert (status.end, status.exit_code, output) == (RunEnd.EXITED, 4, b"finished\n")


async def test_a_run_recorded_by_a_worker_that_died_before_starting_it_is_started(cell: Cell, backend: Backend) -> None:
    spec = cell.spec("echo", "late but whole")
    runs = Runs(cell.runs, backend, LeaseTerms(LONG, LONG))
    assert runs.make(spec, runs.launch(spec, cell.uid, Enforceable(LimitGrades())))
    runs.lease.touch()
    status, output = await cell.end(spec.run_id)
    assert (status.exit_code, output) == (0, b"late but whole\n")


async def test_a_launch_as_root_without_a_uid_starts_nothing(cell: Cell, backend: Backend, as_root: None) -> None:
    # Past the check at the start: the supervisor has one of its own.
    spec = cell.spec("id")
    runs = Runs(cell.runs, backend, LeaseTerms(LONG, LONG))
    runs.make(spec, runs.launch(spec, None, Enforceable(LimitGrades())))
    runs.lease.touch()
    status, output = await cell.end(spec.run_id)
    assert status.end is RunEnd.NOT_STARTED
    assert "with root's rights: no uid to drop to" in status.detail
    assert b"uid=" not in output
    assert str(UndroppedRoot()).startswith("Refused")


async def test_a_killed_supervisor_leaves_no_process_and_the_run_is_lost(cell: Cell) -> None:
    script = "setsid nohup sleep 1000 & trap '' TERM HUP; echo working; while :; do sleep 0.01; done"
    run_id = await cell.start("bash", "-c", script)
    await cell.says(run_id, b"working")
    os.kill(cell.supervisor(run_id), signal.SIGKILL)
    status, output = await cell.end(run_id)
    assert cell.processes() == []
    assert cell.cgroups() == []
    assert cell.containers() == []
    assert (status.end, output) == (RunEnd.LOST, b"working\n")
    assert "died without a final status" in status.detail
    # It is not run again: what it did so far is in the workspace.
    assert (await cell.end(run_id))[0] == status


@bubblewrap_alone
async def test_a_run_of_the_version_before_containers_that_is_lost_after_an_upgrade_is_ended(cell: Cell) -> None:
    run_id = await cell.start("bash", "-c", "echo working; sleep 1000")
    await cell.says(run_id, b"working")
    directory = cell.directory(run_id)
    content = run_directory.read(directory.launch)
    assert content is not None
    body = content.pop("body")
    del content["backend"]
    run_directory.write(directory.launch, {**content, "bubblewrap": body.pop("program"), **body})
    os.kill(cell.supervisor(run_id), signal.SIGKILL)
    assert (await cell.end(run_id))[0].end is RunEnd.LOST
    assert cell.processes() == []


async def test_a_run_ends_with_its_supervisor_also_when_no_worker_is_there_to_see_it(cell: Cell) -> None:
    run_id = await cell.start("bash", "-c", "setsid nohup sleep 1000 & trap '' TERM HUP; echo working; sleep 1000")
    await cell.says(run_id, b"working")
    os.kill(cell.supervisor(run_id), signal.SIGKILL)
    await eventually(lambda: cell.processes() == [], "the kernel ends it")


async def test_a_supervisor_that_somebody_stopped_is_woken_up(cell: Cell, backend: Backend) -> None:
    run_id = await cell.start("bash", "-c", "echo working; until [ -e go ]; do sleep 0.01; done; echo done")
    await cell.says(run_id, b"working")
    os.kill(cell.supervisor(run_id), signal.SIGSTOP)
    (cell.workspace / "go").touch()
    status, output = await follow(HostSandboxes(cell.runs, backend, wake_seconds=1), run_id)
    assert (status.end, output) == (RunEnd.EXITED, b"working\ndone\n")


async def test_a_supervisor_that_was_stopped_before_its_first_beat_is_woken_up_too(
    cell: Cell, backend: Backend
) -> None:
    run_id = await cell.start("bash", "-c", "echo working; until [ -e go ]; do sleep 0.01; done; echo done")
    await cell.says(run_id, b"working")
    os.kill(cell.supervisor(run_id), signal.SIGSTOP)
    # As it is in the moment between the start and the first beat.
    cell.directory(run_id).pulse.write_text("")
    (cell.workspace / "go").touch()
    async with asyncio.timeout(20):
        status, output = await follow(HostSandboxes(cell.runs, backend, wake_seconds=1), run_id)
    assert (status.end, output) == (RunEnd.EXITED, b"working\ndone\n")


async def test_a_supervisor_that_stands_still_for_good_is_killed_and_its_run_is_lost(
    cell: Cell, backend: Backend
) -> None:
    run_id = await cell.start("bash", "-c", "echo working; sleep 1000")
    await cell.says(run_id, b"working")
    os.kill(cell.supervisor(run_id), signal.SIGSTOP)
    status, output = await follow(HostSandboxes(cell.runs, backend, kill_seconds=1), run_id)
    assert (status.end, output) == (RunEnd.LOST, b"working\n")
    assert cell.processes() == []


async def test_a_supervisor_killed_while_frozen_leaves_no_process(cell: Cell) -> None:
    run_id = await cell.start("python3", "-c", TICKING)
    await cell.says(run_id, b"\n")
    await cell.sandboxes.freeze(run_id)
    await _stands_still(cell, run_id)
    os.kill(cell.supervisor(run_id), signal.SIGKILL)
    assert (await cell.end(run_id))[0].end is RunEnd.LOST
    assert cell.processes() == []
    assert cell.containers() == []


@bubblewrap_alone
@pytest.mark.skipif(os.geteuid() != 0, reason="needs control groups, where frozen processes survive what kills them")
async def test_a_frozen_run_ends_with_its_supervisor_also_when_no_worker_is_there_to_thaw_it(cell: Cell) -> None:
    run_id = await cell.start("python3", "-c", TICKING)
    await cell.says(run_id, b"\n")
    await cell.sandboxes.freeze(run_id)
    await _stands_still(cell, run_id)
    launch = Launch.from_json(run_directory.read(cell.directory(run_id).launch) or {})
    place = BubblewrapLaunch.of(launch).cgroup
    os.kill(cell.supervisor(run_id), signal.SIGKILL)
    await eventually(lambda: cell.processes() == [], "the frozen ones are thawed, and die")
    if place is not None:
        cgroup = Cgroup.of(place, launch.mark)
        await eventually(lambda: not any(os.path.exists(one) for one in cgroup.directories()), "its cgroup is removed")


async def test_a_supervisor_that_is_asked_to_end_takes_its_sandbox_with_it(cell: Cell) -> None:
    run_id = await cell.start("bash", "-c", "echo working; sleep 1000")
    await cell.says(run_id, b"working")
    os.kill(cell.supervisor(run_id), signal.SIGTERM)
    status, output = await cell.end(run_id)
    assert (status.end, output) == (RunEnd.STOPPED, b"working\n")
    assert "asked to end" in status.detail


async def test_a_sandbox_killed_from_outside_is_told_apart_from_one_that_ended(cell: Cell) -> None:
    run_id = await cell.start("bash", "-c", "echo working; sleep 1000")
    await cell.says(run_id, b"working")
    os.kill(cell.first_process(run_id), signal.SIGKILL)
    status, _ = await cell.end(run_id)
    assert status.end is RunEnd.LOST
    assert "signal 9" in status.detail


async def test_a_run_whose_directory_is_removed_does_not_go_on_unseen(cell: Cell) -> None:
    run_id = await cell.start("bash", "-c", "echo working; sleep 1000")
    await cell.says(run_id, b"working")
    directory = cell.directory(run_id).path
    away = directory.with_name(f".away-{run_id}")
    directory.rename(away)
    await eventually(lambda: cell.processes() == [], "the supervisor ends it")
    away.rename(directory)
    assert (await cell.end(run_id))[0].end is RunEnd.LOST


async def _stands_still(cell: Cell, run_id: str, seconds: float = 0.5) -> None:
    """Wait until the run has said nothing for a while, although it would say something every 10 ms."""
    output = cell.directory(run_id).output
    await eventually(lambda: time.time() - output.stat().st_mtime > seconds, "it stands still")


def _longest_pause(output: bytes) -> float:
    ticks = [float(line) for line in output.splitlines()]
    return max(later - earlier for earlier, later in itertools.pairwise(ticks))


async def test_a_frozen_run_stands_still_and_goes_on_where_it_was(cell: Cell) -> None:
    run_id = await cell.start("python3", "-c", TICKING)
    await cell.says(run_id, b"\n")
    await cell.sandboxes.freeze(run_id)
    await _stands_still(cell, run_id)
    said = len(cell.output(run_id))
    await cell.sandboxes.thaw(run_id)
    await eventually(lambda: len(cell.output(run_id)) > said, "it goes on")
    await cell.sandboxes.stop(run_id, "seen enough")
    assert _longest_pause((await cell.end(run_id))[1]) > 0.4


async def test_time_that_a_run_spent_frozen_does_not_count_against_its_deadline(cell: Cell) -> None:
    run_id = await cell.start("bash", "-c", "echo began; sleep 0.4; echo done", wall_seconds=1.0)
    await cell.says(run_id, b"began")
    await cell.sandboxes.freeze(run_id)
    frozen = time.monotonic()
    await eventually(lambda: time.monotonic() - frozen > 1.3, "more than its deadline passes")
    await cell.sandboxes.thaw(run_id)
    status, output = await cell.end(run_id)
    assert (status.end, output) == (RunEnd.EXITED, b"began\ndone\n")


async def test_a_frozen_run_can_be_stopped(cell: Cell) -> None:
    run_id = await cell.start("python3", "-c", TICKING)
    await cell.says(run_id, b"\n")
    await cell.sandboxes.freeze(run_id)
    await _stands_still(cell, run_id, 0.3)
    await cell.sandboxes.stop(run_id, "cancelled while frozen")
    assert (await cell.end(run_id))[0].end is RunEnd.STOPPED


class LeasedCell(Cell):
    """A cell on a directory of its own, so that other tests do not renew its lease."""


@pytest_asyncio.fixture
async def leased(
    state: Path, backend: Backend, engine: Engine | None, request: pytest.FixtureRequest
) -> AsyncIterator[LeasedCell]:
    lapse: float = request.param
    # An engine takes longer than bubblewrap to begin, and nothing is said before.
    lease = 0.4 if engine is None else 1.5
    sandboxes = HostSandboxes(state / "runs", backend, lease_seconds=lease, lapse_seconds=lapse)
    await asyncio.to_thread(sandboxes.grades)
    cell = LeasedCell(sandboxes, state / "runs", request.function.__name__.removeprefix("test_"), engine)
    yield cell
    await cell.close()


@pytest.mark.parametrize("leased", [LONG], indirect=True)
async def test_a_run_stands_still_while_its_worker_is_out_of_touch_and_goes_on_after(leased: LeasedCell) -> None:
    run_id = await leased.start("python3", "-c", TICKING)
    await leased.says(run_id, b"\n")
    await _stands_still(leased, run_id)
    said = len(leased.output(run_id))
    leased.sandboxes.renew_lease()
    await eventually(lambda: len(leased.output(run_id)) > said, "it goes on")
    await leased.sandboxes.stop(run_id, "seen enough")
    status, output = await leased.end(run_id)
    assert status.end is RunEnd.STOPPED
    assert _longest_pause(output) > 0.4


@pytest.mark.parametrize("leased", [1.0], indirect=True)
async def test_a_run_whose_worker_stays_out_of_touch_is_given_up(leased: LeasedCell) -> None:
    run_id = await leased.start("python3", "-c", TICKING)
    status, _ = await leased.end(run_id)
    assert status.end is RunEnd.LEASE_LAPSED
    assert "has not been in touch" in status.detail


@pytest.mark.parametrize("leased", [1.0], indirect=True)
async def test_a_run_whose_worker_stays_in_touch_is_left_alone(leased: LeasedCell) -> None:
    run_id = await leased.start("python3", "-c", "import time; time.sleep(1.6); print('whole')")

    async def stay_in_touch() -> None:
        while True:
            leased.sandboxes.renew_lease()
            await asyncio.sleep(0.05)

    staying = asyncio.create_task(stay_in_touch())
    status, output = await leased.end(run_id)
    staying.cancel()
    assert (status.end, output) == (RunEnd.EXITED, b"whole\n")


@pytest.mark.parametrize("leased", [LONG], indirect=True)
async def test_a_clock_that_is_set_forward_ends_no_run(leased: LeasedCell) -> None:
    run_id = await leased.start("python3", "-c", "import time; time.sleep(0.3); print('whole')")
    # To the supervisor, a worker whose renewals are stamped in the future is one that is in touch.
    os.utime(leased.runs / "lease", (time.time() + 86400,) * 2)
    assert (await leased.end(run_id))[1] == b"whole\n"
