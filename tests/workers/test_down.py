"""`journeyman down` leaves nothing running, and ends nobody's work unasked."""

import asyncio
from pathlib import Path

import pytest

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, configure
from tests.workers.terminal import left_of, typed, up

pytestmark = pytest.mark.xdist_group("mistakes")


async def test_down_ends_up_and_what_it_leaves_but_no_run_unasked(state: Path) -> None:
    configure(state)
    repository = make_repository(state / "till", FILES)
    async with up(state) as running:
        asked = await typed(state, "run", "mend add()", "--repo", str(repository), "--agent", "waiter")
        task = asked.out.split()[0]
        async with asyncio.timeout(60):
            while "started" not in (await typed(state, "logs", task, "--raw")).out:
                pass
        refused = await typed(state, "down")
        assert refused.code == 1
        assert "still at work" in refused.error
        await running.process.wait()
    assert "1 run of agents still at work" in running.printed.decode()
    assert any("envoy" in process for process in left_of(state))
    ended = await typed(state, "down", "--runs")
    assert ended.code == 0, ended.error
    async with asyncio.timeout(10):
        # A supervisor ends a moment after it has said how its run ended.
        while left_of(state):
            await asyncio.sleep(0.05)
