"""Waiting at a terminal for what a task comes to, with a line for each stage as it begins."""

import time
from datetime import UTC, datetime, timedelta

from workers.cli.client import CommandFailed, GatewayClient, NoAnswer
from workers.cli.terminal import tell
from workers.gateway.messages import TaskView
from workflows.models.status import Stage, StageSpan, TaskStatus

NEEDS_YOU = 5
"""Exit code: the task stands still until a person answers or guides it."""
_POLL_SECONDS = 0.2
_SILENCE_SECONDS = 30.0


def wait_for(client: GatewayClient, task: str, *, quiet: bool, ended: bool = False, shown: int = 0) -> TaskView:
    """Wait until a task needs a person, or only until it has `ended`, telling of each stage on standard error.

    `shown`: how many stages are known already.
    Raises CommandFailed at Ctrl-C, or when the gateway goes away: the waiting ends, the task goes on.
    """
    told, spoke = shown, time.monotonic()
    try:
        while True:
            view = client.view(task)
            status = view.status
            lines = stage_lines(status, told)
            if not lines and time.monotonic() - spoke > _SILENCE_SECONDS:
                lines = _still(status)
            for line in lines if not quiet else ():
                tell(f"{status.task.id}  {line}")
                spoke = time.monotonic()
            told = len(status.spans)
            if status.stage is Stage.ENDED or (status.waits_for and not ended):
                return view
            time.sleep(_POLL_SECONDS)
    except NoAnswer as gone:
        raise CommandFailed(
            f"no longer waiting: {gone}. The task goes on when it is started again: journeyman show {task}", gone.code
        ) from gone
    except KeyboardInterrupt:
        # The terminal's own ^C is on the line already.
        tell("")
        raise CommandFailed(f"no longer waiting; the task goes on: journeyman show {task}", code=130) from None


def stage_lines(status: TaskStatus, shown: int) -> list[str]:
    """A line for each stage that began after the first `shown`: minutes and seconds since the task began, and round."""
    return [
        f"{_clock(span, status.spans[0])}  {span.stage}"
        + (f" (round {status.round})" if span.stage is Stage.RUN and status.round > 1 else "")
        for span in status.spans[shown:]
    ]


def _still(status: TaskStatus) -> list[str]:
    """A sign of life from a stage that takes long."""
    if not status.spans:
        return []
    since = datetime.now(UTC) - status.spans[0].started
    return [f"{_minutes(since)}  {status.spans[-1].stage} goes on"]


def _clock(span: StageSpan, first: StageSpan) -> str:
    return _minutes(span.started - first.started)


def _minutes(passed: timedelta) -> str:
    seconds = max(0, int(passed.total_seconds()))
    return f"{seconds // 60:02d}:{seconds % 60:02d}"
