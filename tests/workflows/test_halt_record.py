"""What stands halted, of whatever is on record in whatever order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workflows.models.halt import OWN, HaltAction, HaltEntry, HaltScope, Reach, Work, standing
from workflows.models.person import Person

SHOP, TILL = Work(repository="/shop", team="sales"), Work(repository="/till", team="till")
EVERYTHING = HaltScope(reach=Reach.ALL)
SCOPES = (EVERYTHING, HaltScope(reach=Reach.REPOSITORY, name="/shop"), HaltScope(reach=Reach.TEAM, name="sales"))
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def halt(number: int, scope: HaltScope = EVERYTHING) -> HaltEntry:
    return HaltEntry(
        id=f"{number:08d}",
        action=HaltAction.HALT,
        scope=scope,
        person=Person(id="ada"),
        reason="leak",
        at=BEGAN + timedelta(seconds=number),
    )


def resume(number: int, *lifts: str) -> HaltEntry:
    return halt(number).model_copy(update={"action": HaltAction.RESUME, "lifts": lifts})


halts = st.builds(halt, st.integers(0, 9), st.sampled_from(SCOPES))
resumes = st.builds(
    lambda number, lifts: resume(number, *lifts), st.integers(10, 19), st.lists(halts.map(lambda h: h.id))
)
records = st.lists(halts | resumes, max_size=12, unique_by=lambda entry: entry.id)


@given(records, st.randoms())
def test_what_stands_depends_neither_on_the_order_of_entries_nor_on_how_often_each_is_there(
    record: list[HaltEntry], random: st.DataObject
) -> None:
    shuffled = [*record, *record]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert standing(tuple(shuffled)) == standing(tuple(record))


@given(records)
def test_a_halt_stands_until_a_resume_names_it(record: list[HaltEntry]) -> None:
    stand = {entry.id for entry in standing(tuple(record))}
    for entry in record:
        if entry.action is HaltAction.HALT:
            assert (entry.id in stand) is not any(entry.id in other.lifts for other in record)


def test_an_old_resume_that_is_put_on_record_again_lifts_no_new_halt() -> None:
    old = resume(2, halt(1).id)
    assert standing((halt(1), old, halt(3), old)) == (halt(3),)


def test_a_halt_stops_what_it_names_and_whatever_is_not_known_but_never_the_hosts_own_trials() -> None:
    everything, shop, sales = SCOPES
    assert [everything.covers(work) for work in (SHOP, TILL, OWN, None)] == [True, True, False, True]
    assert [shop.covers(work) for work in (SHOP, TILL, OWN, None)] == [True, False, False, True]
    assert [sales.covers(work) for work in (SHOP, TILL, OWN, None)] == [True, False, False, True]


@pytest.mark.parametrize("wrong", [(Reach.ALL, "x"), (Reach.REPOSITORY, ""), (Reach.TEAM, "")])
def test_a_scope_that_names_nothing_is_not_taken_for_one_that_names_everything(wrong: tuple[Reach, str]) -> None:
    with pytest.raises(ValidationError):
        HaltScope(reach=wrong[0], name=wrong[1])
