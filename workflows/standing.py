"""Where others look at a task's pull request: what they see there follows what holds here."""

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import queues, timeouts
from workflows.approvals import Approvals
from workflows.failures import message_of
from workflows.models.ci import CiReport
from workflows.models.standing import StandingOrder
from workflows.progress import Progress
from workflows.steps import StandingSteps

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=15), timedelta(minutes=30)
"""Before CI is looked at again: each time twice as long. News of it does not wait for that."""
_MOST_LOOKS = 40
"""At CI of one head, without news of it: a task that waits for weeks costs nothing."""
_CI_PATIENCE = timedelta(hours=2)
"""For CI to be done with what policy would merge; then people are asked."""


class StandingBoard:
    """Shows one task's standing on its forge, each change of it once, and reads CI there.

    On a forge of this machine alone, nothing.
    """

    def __init__(self, progress: Progress, approvals: Approvals) -> None:
        self._progress = progress
        self._approvals = approvals
        self._shown: StandingOrder | None = None
        self._looks = 0
        self._next_look: datetime | None = None
        self.news = False
        """Whether something happened on the forge that was not looked at yet."""

    def seconds_left(self, now: datetime) -> float | None:
        """Until CI of the head is looked at again; None if it is not, without news of it."""
        return max(0.0, (self._next_look - now).total_seconds()) if self._next_look is not None else None

    async def news_within(self, pause: timedelta) -> None:
        """Wait until something happened on the forge, or for so long."""
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self.news, timeout=pause, timeout_summary="news of the forge")
        self.news = False

    async def why_ci_has_not_passed(self, decided: Callable[[], bool]) -> str:
        """Wait for the forge's CI, or until people have `decided` something.

        Returns why policy can't count on it; empty if it passes, or if there is none.
        """
        await self.show()
        until = workflow.now() + _CI_PATIENCE
        while True:
            ci, now = self._progress.status.ci, workflow.now()
            pause = self.seconds_left(now)
            settled = ci is not None and bool(ci.failed or ci.unread or not ci.why_not_passed)
            if settled or decided() or pause is None or now >= until:
                return ci.why_not_passed if ci is not None else self._why_unknown()
            self._progress.say(ci.why_not_passed if ci is not None else "CI could not be asked")
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self.news or decided(), timeout=pause, timeout_summary="look at CI again"
                )
            await self.show()

    def _why_unknown(self) -> str:
        shared = self._progress.status.task.repository.is_shared and self._shown is not None
        return "its forge could not be asked about CI" if shared else ""

    async def show(self, at_work: str = "") -> None:
        """Show what holds now, unless that is what was shown last. `at_work`: why the head is worked on again.

        That it could not be shown is told to people, and holds up nothing: nobody lands anything by it.
        """
        status, news, self.news = self._progress.status, self.news, False
        if not status.task.repository.is_shared or status.pull_request is None or not workflow.patched("standing"):
            return
        assert status.patch and status.evaluation, "what is proposed was judged"
        order = StandingOrder(
            task=status.task,
            pull_request=status.pull_request,
            patch=status.patch,
            evaluation=status.evaluation,
            approvals=self._approvals.given,
            at_work=at_work,
        )
        left = self.seconds_left(workflow.now())
        if order == self._shown and not news and (left is None or left > 0):
            return
        if self._shown is None or self._shown.patch.head != order.patch.head or news:
            self._looks = 0
        self._shown = order
        try:
            standing = await workflow.execute_activity_method(
                StandingSteps.show_standing,
                order,
                task_queue=queues.API,
                start_to_close_timeout=timeouts.FORGE,
                heartbeat_timeout=timeouts.HEARTBEAT,
                retry_policy=timeouts.FEW,
                summary="show on the forge where it stands",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            not_shown, ci = message_of(error), None
        else:
            not_shown, ci = standing.not_shown, standing.ci
        self._note(ci)
        if not_shown:
            told = f"the forge does not show where it stands: {not_shown}"
            message = self._progress.status.message
            self._progress.say(f"{message}; {told}" if message and told not in message else told)

    def _note(self, ci: CiReport | None) -> None:
        """Keep what CI says, and when to ask again: it may run again, however it ended."""
        known = self._progress.status.ci
        if ci is not None or (known is not None and self._shown and known.commit != self._shown.patch.head):
            self._progress.change(ci=ci)
        self._looks += 1
        done = ci is not None and bool(ci.checks) and not ci.pending
        none_here = ci is not None and not ci.expected
        pause = _LONGEST_PAUSE if done else min(_FIRST_PAUSE * 2 ** min(self._looks - 1, 10), _LONGEST_PAUSE)
        self._next_look = None if none_here or self._looks >= _MOST_LOOKS else workflow.now() + pause
