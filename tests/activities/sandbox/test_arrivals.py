"""When output arrived is known afterwards, to whoever reads it, and nothing in the index can break a reader."""

from pathlib import Path

import pytest

from activities.sandbox.arrivals import SPACING, UNKNOWN, WIDEN, ArrivalLog, read_arrivals
from activities.sandbox.host import HostSandboxes
from tests.activities.sandbox.cell import Cell


async def test_a_line_that_came_a_second_later_is_known_to_have_come_a_second_later(
    cell: Cell, sandboxes: HostSandboxes
) -> None:
    spec = cell.spec("sh", "-c", "echo first; sleep 1; echo second")
    status, output = await sandboxes.run(spec)
    arrivals = await sandboxes.arrivals(spec.run_id)
    first, second = arrivals.at(0), arrivals.at(output.index(b"second"))
    assert 0.95 < second - first < 3
    assert 0 < status.requested_at <= status.started_at <= first + SPACING
    assert second <= status.ended_at


async def test_a_flood_of_output_has_an_index_of_a_bounded_size(cell: Cell, sandboxes: HostSandboxes) -> None:
    spec = cell.spec("sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done")
    status, _ = await sandboxes.run(spec)
    lasted = status.ended_at - status.requested_at
    assert len((await sandboxes.arrivals(spec.run_id)).offsets) <= lasted / SPACING + 1


def test_hours_of_steady_output_have_an_index_below_a_megabyte(tmp_path: Path) -> None:
    log = ArrivalLog(tmp_path / "times")
    for tick in range(400_000):
        log.note(tick * 100, 1_700_000_000 + tick * SPACING * 1.01)
    assert (tmp_path / "times").stat().st_size < 1024 * 1024
    arrivals = read_arrivals(tmp_path / "times")
    assert WIDEN < len(arrivals.offsets) < 40_000
    assert arrivals.at(399_999 * 100) > 1_700_000_000 + 399_999 * SPACING * 0.9


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0 1700000000.0",
        b"garbage\n\n1 2 3\nx y\n-5 1700000000.0\n",
        b"0 nan\n0 inf\n0 -1\n0 0\n",
        b"\xff\xfe\x00\n" * 100,
    ],
)
def test_an_index_without_any_sense_leaves_times_unknown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "times").write_bytes(content)
    assert read_arrivals(tmp_path / "times") == UNKNOWN
    assert UNKNOWN.at(0) == 0


def test_entries_that_go_back_in_time_or_place_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "times").write_bytes(b"0 100.0\n10 99.0\n5 101.0\n3 102.0\n20 103.0\n30 10")
    arrivals = read_arrivals(tmp_path / "times")
    assert (arrivals.offsets, arrivals.times) == ((0, 5, 20), (100.0, 101.0, 103.0))
    assert [arrivals.at(offset) for offset in (0, 4, 5, 19, 20, 10**12)] == [100.0, 100.0, 101.0, 101.0, 103.0, 103.0]


def test_without_an_index_nothing_is_known_and_nothing_fails(tmp_path: Path) -> None:
    assert read_arrivals(tmp_path / "missing") == UNKNOWN
