"""One place that decides whether a failed step is tried again: errors that trying can't mend say so to Temporal."""

import functools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import ParamSpec, TypeVar

from temporalio.exceptions import ApplicationError

from activities.archive.objects import ArchiveError
from activities.decisions.halts import Halted
from activities.decisions.refused import ActionRefused
from activities.egress.credentials import KeyNotSet
from activities.environment.checkout import SetupFailed
from activities.forge.github.failed import GitHubUnavailable
from activities.host.placements import StalePlacement
from activities.host.room import DiskFull
from activities.policy.owners import PolicyFileBroken
from activities.repository.git import RepositoryRefused
from workflows.models.policy import PolicyRefusal

_UNTIL_MENDED = timedelta(minutes=1)
"""Between looks at a file that somebody is editing."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

FINAL = (
    ActionRefused,
    ArchiveError,
    DiskFull,
    Halted,
    KeyNotSet,
    PolicyRefusal,
    RepositoryRefused,
    SetupFailed,
    StalePlacement,
)
"""Raised about the world as it is; everything else may be weather, and is tried again. A full disk or a
halt is for the workflow to wait for: it tells people, and no number of tries ends it."""


def step(function: Callable[Arguments, Awaitable[Result]]) -> Callable[Arguments, Awaitable[Result]]:
    """Wrap a step so that final errors end it at once, with their own words."""

    @functools.wraps(function)
    async def translated(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return await function(*args, **kwargs)
        except FINAL as error:
            # Without what it came of: people are told the innermost message, and this is the one that helps them.
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
        except GitHubUnavailable as error:
            after = timedelta(seconds=error.after_seconds) if error.after_seconds is not None else None
            raise ApplicationError(str(error), type=type(error).__name__, next_retry_delay=after) from None
        except PolicyFileBroken as error:
            raise ApplicationError(str(error), type=type(error).__name__, next_retry_delay=_UNTIL_MENDED) from error

    return translated
