"""A disk that is short of bytes or of inodes is named, with how full it is and what to do."""

import logging
from pathlib import Path

import pytest

from activities.host.placements import Placements, PlaceSupplier
from activities.host.room import DiskFull, Room
from tests.support.small_disk import WHY_NONE, filled, small_disk
from workflows.models.limits import MIB

pytestmark = pytest.mark.skipif(bool(WHY_NONE), reason=WHY_NONE)


def test_a_disk_that_fills_up_is_named_until_there_is_room_again(state: Path) -> None:
    with small_disk(state / "disk", size=16 * MIB) as disk:
        room = Room((state, disk / "not" / "made" / "yet"), least_bytes=8 * MIB, least_inodes=10)
        room.refuse_full()
        with filled(disk, leaving=4 * MIB), pytest.raises(DiskFull, match=f"the disk of {disk} is 75 % full") as raised:
            room.refuse_full()
        assert "JOURNEYMAN_LEAST_FREE_BYTES" in str(raised.value)
        room.refuse_full()


def test_a_disk_without_inodes_is_as_full_as_one_without_bytes(state: Path) -> None:
    with small_disk(state / "disk", size=16 * MIB, inodes=100) as disk:
        room = Room((disk,), least_bytes=MIB, least_inodes=50)
        room.refuse_full()
        for number in range(60):
            (disk / str(number)).touch()
        with pytest.raises(DiskFull, match="inodes: 39 files can be made"):
            room.refuse_full()


def test_a_host_whose_disk_is_full_leaves_tasks_in_the_queue_but_one_that_hears_why(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(state / "disk", size=16 * MIB) as disk, caplog.at_level(logging.WARNING):
        supplier = PlaceSupplier(Placements(state / "places", 9), Room((disk,), least_bytes=8 * MIB, least_inodes=1))
        with filled(disk, leaving=4 * MIB):
            assert supplier.try_reserve_slot(None) is not None  # type: ignore[arg-type]
            assert supplier.try_reserve_slot(None) is None  # type: ignore[arg-type]
            supplier.release_slot(None)  # type: ignore[arg-type]
            assert supplier.try_reserve_slot(None) is None  # type: ignore[arg-type]
        assert supplier.try_reserve_slot(None) is not None  # type: ignore[arg-type]
        assert [record.message.partition(":")[0] for record in caplog.records] == [
            "tasks are left in the queue",
            "tasks are taken again",
        ]
