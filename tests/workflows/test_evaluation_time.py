"""No step is given less time than its parts may take."""

from hypothesis import given
from hypothesis import strategies as st

from workflows import timeouts
from workflows.models.limits import Limits
from workflows.models.policy import Check, Setup, TaskPolicy


@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 3600), st.integers(1, 900), st.booleans())
def test_an_evaluation_may_take_as_long_as_everything_in_it(
    checks: int, repeats: int, mutation: int, wall: int, brings: bool
) -> None:
    policy = TaskPolicy(
        checks=tuple(Check(name=f"c{number}", command="true") for number in range(checks)),
        repeats=repeats,
        mutation_seconds=mutation,
        check_limits=Limits(wall_seconds=wall),
        setup=Setup(lock_files=("a.lock",) if brings else ()),
    )
    runs = (3 + 2 * repeats) * checks * wall
    assert timeouts.evaluation(policy).total_seconds() > runs + mutation + brings * policy.setup_limits.wall_seconds
