"""Where others look at a task's pull request: what they see there follows what holds here."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import queues, timeouts
from workflows.approvals import Approvals
from workflows.failures import message_of
from workflows.models.standing import StandingOrder
from workflows.progress import Progress
from workflows.steps import StandingSteps


class StandingBoard:
    """Shows one task's standing on its forge, each change of it once. On a forge of this machine alone, nothing."""

    def __init__(self, progress: Progress, approvals: Approvals) -> None:
        self._progress = progress
        self._approvals = approvals
        self._shown: StandingOrder | None = None

    async def show(self, at_work: str = "") -> None:
        """Show what holds now, unless that is what was shown last. `at_work`: why the head is worked on again.

        That it could not be shown is told to people, and holds up nothing: nobody lands anything by it.
        """
        status = self._progress.status
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
        if order == self._shown:
            return
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
            not_shown = message_of(error)
        else:
            not_shown = standing.not_shown
        if not_shown:
            told = f"the forge does not show where it stands: {not_shown}"
            message = self._progress.status.message
            self._progress.say(f"{message}; {told}" if message and told not in message else told)
