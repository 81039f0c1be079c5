"""What a team and its members use of model providers on one day: reserved before it is used, counted afterwards.

One entity a team, so that no two runs are promised the same money. It lives while a day has something on it.
"""

from datetime import datetime, timedelta

from temporalio import workflow

from workflows.models.steps import Nothing
from workflows.models.usage import USD, Reservation, Reserve, Reserved, Settle, TeamDays


@workflow.defn(name="TeamBudget")
class TeamBudget:
    """Hands out a team's day."""

    @workflow.init
    def __init__(self, days: TeamDays) -> None:
        self._team = days.team
        self._reservations = dict(days.reservations)

    @workflow.run
    async def run(self, days: TeamDays) -> Nothing:
        """Serve until a day has passed with nothing on it."""
        while True:
            try:
                await workflow.wait_condition(
                    workflow.info().is_continue_as_new_suggested,
                    timeout=_until_tomorrow(workflow.now()),
                    timeout_summary="the day ends",
                )
            except TimeoutError:
                self._forget_earlier_days()
            await workflow.wait_condition(workflow.all_handlers_finished)
            if not self._reservations:
                return Nothing()
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(TeamDays(team=self._team, reservations=self._reservations))

    @workflow.update
    async def reserve(self, order: Reserve) -> Reserved:
        """Promise a run money in all, as far as today's caps leave it. Without awaits, so that nobody comes between."""
        today = _day(workflow.now())
        mine = self._reservations.get(order.run_id)
        had = mine.micro_usd if mine is not None and mine.day == today else 0
        granted, bound_by = order.micro_usd, ""
        for cap, used, name in (
            (order.team_day_micro_usd, self._used(today, ""), "team-day"),
            (order.requester_day_micro_usd, self._used(today, order.requester), "requester-day"),
        ):
            if cap is None:
                continue
            room = max(0, cap + order.extra_micro_usd - used + had)
            if granted is None or room < granted:
                granted, bound_by = room, name
        if granted is not None:
            self._reservations[order.run_id] = Reservation(day=today, requester=order.requester, micro_usd=granted)
        self._tell(today)
        return Reserved(micro_usd=granted, bound_by=bound_by)

    @workflow.update
    async def settle(self, order: Settle) -> Nothing:
        """Count what a run has really used, on the day it was promised; twice is once."""
        mine = self._reservations.get(order.run_id)
        if mine is not None:
            settled = mine.model_copy(update={"micro_usd": order.micro_usd, "open": False})
            self._reservations[order.run_id] = settled
            self._tell(_day(workflow.now()))
        return Nothing()

    @workflow.query
    def days(self) -> TeamDays:
        """Everything that is reserved or used."""
        return TeamDays(team=self._team, reservations=self._reservations)

    def _used(self, day: str, requester: str) -> int:
        """Reserved or used on a day, by one requester or, without a name, by all."""
        mine = (one for one in self._reservations.values() if one.day == day)
        return sum(one.micro_usd for one in mine if not requester or one.requester == requester)

    def _forget_earlier_days(self) -> None:
        today, yesterday = _day(workflow.now()), _day(workflow.now() - timedelta(days=1))
        # What is open longer than that belongs to a task that was terminated and never counted what it used.
        kept = ((run, one) for run, one in self._reservations.items() if one.day == today or _is_open(one, yesterday))
        self._reservations = dict(kept)

    def _tell(self, day: str) -> None:
        workflow.set_current_details(f"{day}: {self._used(day, '') / USD:.2f} USD used or reserved")


def _is_open(reservation: Reservation, day: str) -> bool:
    return reservation.open and reservation.day == day


def _day(now: datetime) -> str:
    return now.strftime("%Y-%m-%d")


def _until_tomorrow(now: datetime) -> timedelta:
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=5, microsecond=0)
    return tomorrow - now
