"""When people are reminded in Slack of what waits for them: the `[slack.reminders]` table of journeyman.toml."""

from datetime import time
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from activities.policy.document import Document
from activities.policy.written_values import NAME

CHANNEL = r"^[CG][A-Z0-9]{2,20}$"


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Day, ...] = get_args(Day)
"""As Python counts weekdays."""


class ReminderTable(Document):
    """Reminders: `[slack.reminders]`. Left out, nobody is reminded."""

    remind_hours: float = Field(default=4, gt=0, le=24 * 31)
    """How long a task has waited for a person when those who may decide are named in its thread."""
    escalate_hours: float = Field(default=24, gt=0, le=24 * 31)
    """And when a channel hears of it."""
    escalation_channel: Annotated[str, Field(pattern=CHANNEL)] | None = None
    """Id of the channel that hears of it, where `escalation_channels` names none; left out, none does."""
    escalation_channels: dict[Annotated[str, Field(pattern=NAME)], Annotated[str, Field(pattern=CHANNEL)]] = {}
    """By team, as its budgets are counted: the channel of its own."""
    zone: str = "UTC"
    """Whose clock counts below, such as `Europe/Vienna`."""
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = WEEK[:5]
    """On which anybody is reminded."""
    begin: time = time(9)
    """From when on, such as `"09:00"`; what falls due outside waits until then."""
    end: time = time(17)
    """Until when, on the same day."""

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{zone!r} is no time zone: write one such as `Europe/Vienna`") from error
        return zone

    @field_validator("begin", "end")
    @classmethod
    def _has_no_zone(cls, at: time) -> time:
        if at.tzinfo is not None:
            raise ValueError('the zone is what `zone` says: write "09:00"')
        return at

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "ReminderTable":
        if self.begin >= self.end:
            raise ValueError("`end` has to be later than `begin`, on the same day")
        return self
