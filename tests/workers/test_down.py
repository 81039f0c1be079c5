"""`journeyman down` leaves nothing running, and ends nobody's work unasked."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, configure
from tests.workers.terminal import environment, left_of, typed, up
from workers.embedded.programs import program

pytestmark = pytest.mark.xdist_group("mistakes")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a namespace of processes without one of users")
async def test_down_beside_a_stack_of_another_container_signals_nobody(state: Path) -> None:
    """There the process that serves has no number here; 0 would be the caller's own group."""
    configure(state)
    async with up(state):
        program_path = str(program("journeyman"))
        process = await asyncio.create_subprocess_exec(
            *(
                "unshare",
                "--pid",
                "--fork",
                "--mount-proc",
                "sh",
                "-c",
                f"{program_path} down; echo code $?; echo alive",
            ),
            env=environment(state),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        async with asyncio.timeout(60):
            out, error = await process.communicate()
        assert out.decode().split() == ["code", "1", "alive"]
        assert "another container" in error.decode()


async def test_down_ends_up_and_what_it_leaves_but_no_run_unasked(state: Path) -> None:
    configure(state)
    repository = make_repository(state / "till", FILES)
    async with up(state) as running:
        asked = await typed(state, "run", "mend add()", "--repo", str(repository), "--agent", "waiter", "--key", "k")
        task = asked.out.split()[0]
        async with asyncio.timeout(60):
            while "started" not in (await typed(state, "logs", task, "--raw")).out:
                pass
        # Whoever asks for the same once more waits for the task that there is.
        same = ("run", "mend add()", "--repo", str(repository), "--agent", "waiter", "--key", "k", "--wait")
        waiting = await asyncio.create_subprocess_exec(
            str(program("journeyman")),
            *same,
            env=environment(state, PYTHONUNBUFFERED="1"),
            stderr=asyncio.subprocess.PIPE,
        )
        assert waiting.stderr is not None
        async with asyncio.timeout(60):
            while b"run" not in await waiting.stderr.readline():
                pass
        down = await typed(state, "down")
        _, said = await waiting.communicate()
        assert f"The task goes on when it is started again: journeyman show {task}" in said.decode()
        assert waiting.returncode == 3
        assert (down.code, down.error) == (0, "")
        told, goes_on = down.out.splitlines()
        assert told == f"`journeyman up` (process {running.process.pid}) was asked to end, and has"
        assert f"{task}-1-1: still at work" in goes_on
        assert "in the workspace as it is" in goes_on
        await running.process.wait()
    again = await typed(state, "down")
    assert (again.code, again.out) == (1, "")
    assert "still at work" in again.error
    assert "1 run of agents still at work" in running.printed.decode()
    assert any("envoy" in process for process in left_of(state))
    ended = await typed(state, "down", "--runs")
    assert ended.code == 0, ended.error
    async with asyncio.timeout(10):
        # A supervisor ends a moment after it has said how its run ended.
        while left_of(state):
            await asyncio.sleep(0.05)
