"""What an attempt that Temporal had given up begins after its placement was given back does not stay."""

import pytest

from activities.host.placements import Held
from activities.host.strays import strays

HELD = Held(task_id="tqkwahr3xm", epoch=3, first_epoch=2, uid=None)


@pytest.mark.parametrize(
    "name",
    [
        "bq5xj2kd7n-1",
        "bq5xj2kd7n-1-1",
        "bq5xj2kd7n-1-1-c",
        "bq5xj2kd7n-1.2.patched",
        "export-bq5xj2kd7n-1",
        "export-bq5xj2kd7n-1-1-c",
        "bq5xj2kd7n-1-1.draft",
    ],
)
def test_whatever_is_named_after_a_placement_that_nobody_holds_is_found(name: str) -> None:
    assert strays([name], [HELD]) == {"bq5xj2kd7n-1": "bq5xj2kd7n"}


def test_an_epoch_that_was_given_back_is_found_though_its_task_is_here_again() -> None:
    assert strays(["tqkwahr3xm-1-1", "tqkwahr3xm-2-1", "tqkwahr3xm-3-2"], [HELD]) == {"tqkwahr3xm-1": "tqkwahr3xm"}


@pytest.mark.parametrize("name", ["probe-26943-6adc1ab7", "layer-0a1b2c", "setup-0a1b2c3d", "lease", ".uids", ""])
def test_what_is_no_placement_s_is_left_alone(name: str) -> None:
    assert strays([name], [HELD]) == {}
