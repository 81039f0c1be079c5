"""Nobody is reminded at night or on a day off, also not in the week in which clocks change."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.chat.slack.business_hours import is_moment, next_moment
from activities.policy.reminder_table import WEEK, ReminderTable

ZONES = ("UTC", "Europe/Vienna", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
"""Of any time of the year, so of those in which clocks change, too."""


@st.composite
def tables(draw: st.DrawFn) -> ReminderTable:
    begin, end = sorted(draw(st.lists(st.times().map(_whole), min_size=2, max_size=2, unique=True)))
    days = draw(st.sets(st.sampled_from(WEEK), min_size=1))
    return ReminderTable(begin=begin, end=end, days=tuple(days), zone=draw(st.sampled_from(ZONES)))


def _whole(at: time) -> time:
    return at.replace(second=0, microsecond=0)


@given(moments, tables())
def test_it_is_within_the_hours_and_on_a_day_that_is_named(at: datetime, table: ReminderTable) -> None:
    found = next_moment(at, table)
    local = found.astimezone(ZoneInfo(table.zone))
    assert found >= at
    assert WEEK[local.weekday()] in table.days
    day = [datetime.combine(local.date(), at, local.tzinfo) for at in (time.min, time.max)]
    if day[0].utcoffset() == day[1].utcoffset():
        assert table.begin <= local.time() < table.end


@given(moments, tables())
def test_it_is_the_first_such_moment(at: datetime, table: ReminderTable) -> None:
    found = next_moment(at, table)
    assert is_moment(found, table)
    assert next_moment(found, table) == found
    if found > at:
        between = at + (found - at) / 2
        assert next_moment(between, table) == found


@given(moments, moments, tables())
def test_later_never_comes_sooner(one: datetime, other: datetime, table: ReminderTable) -> None:
    first, second = sorted((one, other))
    assert next_moment(first, table) <= next_moment(second, table)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # Clocks in Vienna go forward on 29 March 2026, and back on 25 October.
        ("2026-03-27T17:00+00:00", "2026-03-30T07:00+00:00"),
        ("2026-10-23T16:00+00:00", "2026-10-26T08:00+00:00"),
        ("2026-11-27T08:00+00:00", "2026-11-27T08:00+00:00"),
        ("2026-11-27T15:59+00:00", "2026-11-27T15:59+00:00"),
        ("2026-11-27T16:00+00:00", "2026-11-30T08:00+00:00"),
    ],
)
def test_nine_stays_nine_when_clocks_change(at: str, expected: str) -> None:
    table = ReminderTable(zone="Europe/Vienna")
    assert next_moment(datetime.fromisoformat(at), table) == datetime.fromisoformat(expected)


def test_an_hour_that_clocks_skip_is_not_waited_for() -> None:
    table = ReminderTable(zone="Europe/Vienna", days=("sun",), begin=time(2), end=time(3))
    found = next_moment(datetime(2026, 3, 28, tzinfo=UTC), table)
    assert found == datetime(2026, 4, 5, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "broken",
    [
        {"zone": "Europe/Nowhere"},
        {"zone": "../../etc/passwd"},
        {"begin": "17:00", "end": "09:00"},
        {"begin": "09:00+01:00"},
        {"days": []},
        {"days": ["monday"]},
        {"remind_hours": 0},
        {"escalation_channel": "#general"},
        {"escalation_channels": {"shop": "D0123"}},
    ],
)
def test_a_table_that_can_not_hold_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ReminderTable.model_validate(broken)
