"""When somebody may be reminded: within the hours and on the days that the table names, by its zone's clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from activities.policy.reminder_table import WEEK, ReminderTable

_MOST_DAYS = 15
"""Within two weeks every day of the week comes twice: one of them is not the night on which clocks skip an hour."""


def next_moment(at: datetime, table: ReminderTable) -> datetime:
    """The first moment from then on at which somebody may be reminded, in UTC; `at` itself if that is one."""
    zone, at = ZoneInfo(table.zone), at.astimezone(UTC)
    first = at.astimezone(zone).date()
    for offset in range(_MOST_DAYS):
        day = first + timedelta(days=offset)
        if WEEK[day.weekday()] not in table.days:
            continue
        # By UTC: within one zone Python compares what clocks show, not when they show it.
        begins = datetime.combine(day, table.begin, zone).astimezone(UTC)
        ends = datetime.combine(day, table.end, zone).astimezone(UTC)
        moment = max(at, begins)
        if moment < ends:
            return moment
    raise ValueError(f"no moment within {_MOST_DAYS} days is one to remind anybody")


def is_moment(at: datetime, table: ReminderTable) -> bool:
    """Whether somebody may be reminded now."""
    return next_moment(at, table) == at
