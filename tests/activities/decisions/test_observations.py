"""When base counts as turned red by a merge; and whose word about it counts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.decisions.observations import FOLDER, Observations, turned_red
from activities.decisions.signing import DecisionSigner, DecisionVerifier
from workflows.models.observation import Observation
from workflows.models.person import Person

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COMMIT = "a" * 40


def seen(name: str, *, good: bool, minutes: int = 1, commit: str = COMMIT, repository: str = "/r") -> Observation:
    at = NOW + timedelta(minutes=minutes)
    return Observation(
        repository=repository, commit=commit, name=name, good=good, person=Person(id="ci"), observed_at=at
    )


GOOD, BAD = seen("ci", good=True), seen("ci", good=False)
OTHER_BAD = seen("errors", good=False)
UNTIL = NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("before", "since", "red"),
    [
        ((), ((),), None),
        ((), ((GOOD,),), None),
        ((), ((BAD,),), BAD),
        ((GOOD,), ((BAD,),), BAD),
        ((BAD,), ((BAD,),), None),
        ((BAD, GOOD), ((BAD,),), BAD),
        ((), ((), (BAD,)), BAD),
        ((), ((GOOD,), (BAD,)), None),
        ((), ((BAD, GOOD), (BAD,)), None),
        ((BAD,), ((OTHER_BAD,),), OTHER_BAD),
        ((), ((seen("ci", good=False, minutes=11),),), None),
    ],
)
def test_only_what_turns_bad_with_the_merge_and_in_time_is_its_doing(
    before: tuple[Observation, ...], since: tuple[tuple[Observation, ...], ...], red: Observation | None
) -> None:
    assert turned_red(before, since, UNTIL) == red


observations = st.lists(
    st.builds(
        lambda name, good, minutes: seen(name, good=good, minutes=minutes),
        st.sampled_from(["ci", "errors"]),
        st.booleans(),
        st.integers(0, 20),
    ),
    max_size=4,
).map(tuple)


@given(observations, st.lists(observations, max_size=3).map(tuple))
def test_whatever_is_observed_nothing_good_late_or_bad_before_is_red(
    before: tuple[Observation, ...], since: tuple[tuple[Observation, ...], ...]
) -> None:
    red = turned_red(before, since, UNTIL)
    if red is not None:
        assert not red.good
        assert red.observed_at <= UNTIL
        known = [each for each in before if each.name == red.name and each.observed_at <= UNTIL]
        assert not known or known[-1].good


async def test_only_what_a_gateway_signed_about_this_commit_counts(tmp_path: Path) -> None:
    chains = Chains(Objects.open(str(tmp_path / "archive")), FOLDER)
    signer = DecisionSigner.load_or_create(tmp_path / "keys")
    record = Observations(chains, DecisionVerifier.trusting(signer.public_key))
    forger = DecisionSigner.load_or_create(tmp_path / "forger")
    await record.keep(signer.observe(GOOD))
    await record.keep(forger.observe(BAD))
    honest = signer.observe(seen("ci", good=True, commit="b" * 40))
    altered = honest.model_copy(update={"observation": seen("ci", good=False, commit=COMMIT)})
    await record.keep(altered)
    await record.keep(honest)
    assert await record.of("/r", COMMIT) == (GOOD,)
    assert await record.of("/other", COMMIT) == ()
