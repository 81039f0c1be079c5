"""What a workflow does about a step that answers that its work is halted: it tells people, waits, and asks again.

Nothing is decided here. Halts are kept outside workflows and looked for by the steps that act.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import timeouts
from workflows.failures import message_of
from workflows.progress import Progress

Result = TypeVar("Result")

_HALTED = "Halted"
"""Type of the error by which a step answers so."""


def is_halted(error: ActivityError) -> bool:
    """Whether a step answered that its work is halted."""
    return isinstance(error.cause, ApplicationError) and error.cause.type == _HALTED


async def unless_halted(progress: Progress, step: Callable[[], Awaitable[Result]]) -> Result:
    """The step's result, however long its work is halted. Cancelled, it waits no more."""
    pause, longest = timeouts.HALT
    told = ""
    while True:
        try:
            result = await step()
        except ActivityError as error:
            if not is_halted(error):
                raise
            if (current := asyncio.current_task()) is not None and current.cancelling():
                # The step was seen to its end although nobody wants it any more.
                raise asyncio.CancelledError from error
            told = message_of(error)
            progress.say(told)
        else:
            if told and progress.status.message == told:
                progress.say("")
            return result
        await workflow.sleep(pause, summary="halted")
        if progress.status.message == told:
            # What is tried now may take an hour, and whether it is still halted the step says.
            progress.say("")
        pause = min(2 * pause, longest)
