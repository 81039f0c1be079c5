"""A run whose sandbox was lost begins again a few times; nothing else that happens around it counts."""

from pathlib import Path

import pytest

from activities.host.losses import MOST, MOST_IN_ALL, Losses, is_loss
from activities.sandbox.contract import RunStatus
from workflows.models.run import RunEnd


def test_a_run_begins_again_until_its_sandbox_was_lost_too_often_whichever_worker_counts(tmp_path: Path) -> None:
    begun = [Losses(tmp_path / "losses").may_begin_again("task-1-1", 0) for _ in range(MOST + 1)]
    assert begun == [True] * (MOST - 1) + [False] * 2
    # Of another run, and of the same once it was forgotten, nothing is known.
    assert Losses(tmp_path / "losses").may_begin_again("task-1-2", 0)
    assert [Losses(tmp_path / "losses").of(f"task-1-{run}") for run in (1, 2, 3)] == [MOST + 1, 1, 0]
    Losses(tmp_path / "losses").forget("task-1-")
    assert Losses(tmp_path / "losses").may_begin_again("task-1-1", 0)


def test_a_run_that_gets_further_each_time_is_not_given_up_after_a_few_losses_but_after_many(tmp_path: Path) -> None:
    losses = Losses(tmp_path / "losses")
    assert [losses.may_begin_again("task-1-1", checkpoint) for checkpoint in (0, 0, 1, 1, 2)] == [True] * 5
    begun = [losses.may_begin_again("task-1-1", checkpoint) for checkpoint in range(3, 3 + MOST_IN_ALL)]
    assert begun.index(False) == MOST_IN_ALL - 6
    assert not any(begun[begun.index(False) :])


def test_what_a_version_before_this_one_had_counted_still_counts(tmp_path: Path) -> None:
    losses = Losses(tmp_path / "losses")
    (tmp_path / "losses" / "task-1-1").write_text(str(MOST - 1))
    assert not losses.may_begin_again("task-1-1", 0)


@pytest.mark.parametrize(
    ("end", "code", "succeeded", "lost"),
    [
        (RunEnd.LOST, None, False, True),
        (RunEnd.NOT_STARTED, None, False, True),
        (RunEnd.LEASE_LAPSED, None, False, True),
        # Killed from outside, by a host that has no memory left for one; but not if it had said its result.
        (RunEnd.EXITED, 137, False, True),
        (RunEnd.EXITED, 137, True, False),
        # The agent's own doing, or a limit's, or a person's.
        (RunEnd.EXITED, 0, True, False),
        (RunEnd.EXITED, 1, False, False),
        (RunEnd.MEMORY, 137, False, False),
        (RunEnd.DEADLINE, None, False, False),
        (RunEnd.STOPPED, None, False, False),
    ],
)
def test_only_what_came_from_outside_is_a_loss(end: RunEnd, code: int | None, succeeded: bool, lost: bool) -> None:
    assert is_loss(RunStatus(run_id="task-1-1", end=end, exit_code=code), lambda: succeeded) is lost
