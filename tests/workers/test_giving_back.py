"""Giving a place back takes nothing from the placement that came after it, whoever looked when."""

import asyncio
from pathlib import Path

import pytest

from activities.host.placements import Held
from workers.parts.host import HostParts
from workers.parts.shared import SharedParts
from workers.settings import Settings

TASK = "bq5xj2kd7n"


@pytest.fixture
def host(state: Path) -> HostParts:
    return HostParts.load(SharedParts.load(Settings(state=state, capacity=3)))


def placed(host: HostParts, epoch: int) -> tuple[Held, Path]:
    """A placement with something of its own on disk."""
    held = host.placements.take(Held(task_id=TASK, epoch=epoch, uid=host.sandboxes.take_uid()))
    own = host.shared.layout.sessions / f"{held.workspace}-1"
    own.mkdir()
    return held, own


async def test_a_sweep_that_looked_before_a_workspace_was_taken_over_leaves_it_with_what_runs_there(
    host: HostParts,
) -> None:
    lost, own = placed(host, 1)
    now = host.placements.take_over(lost, 2)
    # The workflow says by now that it is at epoch 2, so what the sweep had listed looks over.
    assert await host.giving_back.give_back(lost) is None
    assert own.exists() and host.placements.find(TASK) == now
    await host.giving_back.give_back(now)
    assert not own.exists() and host.placements.find(TASK) is None


async def test_two_who_give_one_place_back_at_once_do_not_give_back_the_next_one(host: HostParts) -> None:
    held, _ = placed(host, 1)
    sweep, release = (asyncio.create_task(host.giving_back.give_back(held)) for _ in range(2))
    await asyncio.wait({sweep, release}, return_when=asyncio.FIRST_COMPLETED)
    again, own = placed(host, 2)
    await asyncio.gather(sweep, release)
    assert own.exists() and host.placements.find(TASK) == again
    await host.giving_back.give_back(again)


async def test_what_looked_like_nobody_s_is_left_to_an_attempt_that_has_taken_the_place_meanwhile(
    host: HostParts,
) -> None:
    left, first = host.shared.layout.sessions / f"{TASK}-1-1", host.shared.layout.workspaces / "aaaaaaaaaa-1"
    left.mkdir()
    first.mkdir()
    async with host.giving_back.alone(TASK):
        clearing = asyncio.create_task(host.giving_back.clear_strays())
        async with asyncio.timeout(10):
            while first.exists():
                await asyncio.sleep(0.01)
        held = host.placements.take(Held(task_id=TASK, epoch=1))
    assert await clearing == ["aaaaaaaaaa"] and left.exists()
    await host.giving_back.give_back(held)
