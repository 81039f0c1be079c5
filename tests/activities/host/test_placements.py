"""A host takes what it has room for, also after a restart, and never two epochs of one task."""

import asyncio
from pathlib import Path

import pytest

from activities.host.placements import Held, Placements, PlaceSupplier, StalePlacement
from activities.host.room import Room


async def test_places_survive_a_restart_and_come_back_when_released(tmp_path: Path) -> None:
    first = Placements(tmp_path, 2)
    first.take(Held(task_id="a", epoch=1, uid=210000))
    again = Placements(tmp_path, 2)
    assert again.free == 1
    assert again.expect("a", 1).uid == 210000
    again.give_back("a")
    again.give_back("a")
    assert first.free == 2


async def test_an_older_epoch_is_refused_and_a_newer_one_replaces_it(tmp_path: Path) -> None:
    placements = Placements(tmp_path, 2)
    placements.take(Held(task_id="a", epoch=1))
    placements.take(Held(task_id="a", epoch=2))
    with pytest.raises(StalePlacement):
        placements.take(Held(task_id="a", epoch=1))
    with pytest.raises(StalePlacement):
        placements.expect("a", 1)
    assert placements.free == 1


async def test_a_full_host_asks_for_no_more_until_a_place_is_given_back(tmp_path: Path) -> None:
    placements = Placements(tmp_path, 2)
    supplier = PlaceSupplier(placements, Room((tmp_path,), least_bytes=0, least_inodes=0))
    placements.take(Held(task_id="a", epoch=1))
    assert supplier.try_reserve_slot(None) is not None  # type: ignore[arg-type]
    assert supplier.try_reserve_slot(None) is None  # type: ignore[arg-type]
    waiting = asyncio.create_task(supplier.reserve_slot(None))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert not waiting.done()
    placements.give_back("a")
    async with asyncio.timeout(5):
        await waiting


async def test_a_task_id_that_is_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no task id"):
        Placements(tmp_path, 1).take(Held(task_id="../a", epoch=1))
