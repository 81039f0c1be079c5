"""A host takes what it has room for, also after a restart, and never two epochs of one task."""

import asyncio
from pathlib import Path

import pytest

from activities.host.capacity import is_the_lost_one
from activities.host.placements import Held, Placements, PlaceSupplier, StalePlacement
from activities.host.room import Room
from workflows.models.intent import Intent
from workflows.models.person import Person
from workflows.models.steps import PrepareOrder
from workflows.models.task import Repository, Task


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


@pytest.mark.parametrize(
    ("held", "lost_host", "goes_on"),
    [
        ({"epoch": 1}, "here", True),
        ({"epoch": 2, "first_epoch": 1}, "here", True),
        ({"epoch": 1}, "", True),
        # An attempt that came to nothing had a place of that epoch here, while the work was done elsewhere.
        ({"epoch": 1}, "elsewhere", False),
        ({"epoch": 1, "base_commit": ""}, "here", False),
        ({"epoch": 2}, "here", False),
    ],
)
def test_only_the_workspace_that_was_lost_is_gone_on_with_and_not_one_without_its_work(
    held: dict[str, object], lost_host: str, goes_on: bool
) -> None:
    intent = Intent(key="cli:1", requester=Person(id="ada"))
    task = Task(id="a", intent=intent, repository=Repository(url="/r", name="r"), goal="g")
    order = PrepareOrder(task=task, epoch=2, lost_epoch=1, lost_host=lost_host)
    place = Held.model_validate({"task_id": "a", "base_commit": "b"} | held)
    assert is_the_lost_one(place, order, "here") is goes_on
