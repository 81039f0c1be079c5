"""A short kill test: every intent ends in one merge whatever dies, and nothing is left over."""

import itertools
from pathlib import Path

import pytest

from tests.chaos.faults import KINDS, Drawn, draw
from tests.chaos.trial import Terms, trial

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(600)]


async def test_tasks_end_in_exactly_one_merge_while_parts_are_killed(state: Path) -> None:
    kinds = ("worker killed", "supervisor killed, run frozen", "gateway killed", "Temporal killed", "Envoy killed")
    findings = await trial(state, Terms(kills=5, seed=3, at_once=3, mean_gap_seconds=3, only=kinds), lambda _: None)
    assert findings.ok, (
        findings.line(),
        findings.given_up,
        findings.orphans,
        [one.faults for one in findings.accounts],
    )
    assert len(findings.recovered) == 5


def test_a_seed_draws_the_same_faults_again_and_another_one_does_not() -> None:
    kinds = tuple(KINDS)

    def drawn(seed: int) -> list[Drawn]:
        return list(itertools.islice(draw(seed, 3, kinds), 30))

    assert drawn(7) == drawn(7) != drawn(8)
    assert {one.kind for one in drawn(7)[: len(kinds)]} == set(kinds)
