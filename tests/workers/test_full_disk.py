"""A disk that fills up stops new work with a reason, breaks nothing that runs, and holds nothing up later."""

import asyncio
from pathlib import Path

import pytest

from tests.support.repositories import make_repository
from tests.support.small_disk import WHY_NONE, filled, small_disk
from tests.workers.installation import FILES, installed
from tests.workers.terminal import typed
from workers.cli.client import CommandFailed
from workflows.models.limits import MIB
from workflows.models.status import Stage

pytestmark = [
    pytest.mark.xdist_group("full-disk"),
    pytest.mark.skipif(bool(WHY_NONE), reason=WHY_NONE),
]


async def test_a_full_disk_refuses_new_tasks_keeps_those_in_the_queue_and_breaks_no_run(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    with small_disk(state / "disk", size=128 * MIB) as disk:
        archive = str(disk / "archive")
        async with installed(state, capacity=1, archive=archive, least_free_bytes=64 * MIB) as here:
            running = await here.ask(repository, "waiter", key="first")
            await here.reaches(running, Stage.RUN)
            queued = await here.ask(repository, "mender", goal="wait your turn")
            with filled(disk, leaving=32 * MIB):
                with pytest.raises(CommandFailed, match=r"nothing was started: the disk of .* is 7[5-9] % full"):
                    await here.ask(repository, "mender", goal="come later")
                assert await here.ask(repository, "waiter", key="first") == running
                checked = await typed(
                    state,
                    "doctor",
                    JOURNEYMAN_ARCHIVE=archive,
                    JOURNEYMAN_LEAST_FREE_BYTES=str(64 * MIB),
                )
                assert checked.code == 1
                assert f"the disk of {disk}" in checked.out
                (here.agents / "waiter" / "go").touch()
                await here.reaches(running, Stage.REVIEW)
                async with asyncio.timeout(60):
                    while "takes no new task" not in (view := await here.view(queued)).status.message:
                        assert view.status.stage is Stage.PREPARE
                        await asyncio.sleep(0.05)
                assert f"the disk of {disk}" in view.status.message
            assert (await here.reaches(queued, Stage.REVIEW)).status.message == ""
