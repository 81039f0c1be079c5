"""Following a run that may have to stand still, at a cap or for a question about a host, or to be ended: after its last
tool call, or because it hangs.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from activities.agents.tool_calls import ToolCallCount
from activities.egress.contract import EgressGateway
from activities.egress.places import GatewayError
from activities.host.hang_watch import HangWatch
from activities.host.hangs import hang_of, reason
from activities.host.supervised import HandedOver, supervised
from activities.sandbox.contract import RunStatus, Sandboxes, SandboxSpec
from workflows.models.run import RunEnd
from workflows.models.usage import Metered

TOOL_CALLS = "It made as many tool calls as one run may."
"""Reason of the stop, by which a later attempt of the step knows it again."""
_LOOK_SECONDS = 0.5
"""Between two looks at the gateway; requests are held there, so nothing is spent in between."""
_MOST_HOSTS = 20
"""Of one question."""


@dataclass(frozen=True)
class Pause:
    """Why a run stands still."""

    metered: Metered
    """What it has used; `held` names the cap that holds its requests back, if one does."""
    hosts: tuple[str, ...] = ()
    """What people are to be asked about."""


class Watch:
    """Looks at a run's way out for a reason to stand still."""

    def __init__(
        self, gateway: EgressGateway, run_id: str, asks_about: Callable[[str], bool] | None, *, metered: bool
    ) -> None:
        """`asks_about`: which of the hosts that are refused people are asked about; None if about none. `metered`:
        whether anything that it uses is counted.
        """
        self._gateway = gateway
        self._run_id = run_id
        self._asks_about = asks_about
        self._metered = metered
        self._seen = 0

    async def reason(self) -> Pause:
        """Wait until there is one."""
        if self._asks_about is None and not self._metered:
            await asyncio.Event().wait()
        while True:
            # While the gateway restarts, nothing passes it either.
            with contextlib.suppress(GatewayError):
                metered = await self._gateway.metered(self._run_id)
                if (hosts := await self._new_hosts()) or metered.held:
                    return Pause(metered, hosts)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _new_hosts(self) -> tuple[str, ...]:
        if self._asks_about is None:
            return ()
        wanted = await self._gateway.wanted(self._run_id, self._seen)
        self._seen = wanted.seen
        return tuple(host for host in wanted.hosts if self._asks_about(host))[:_MOST_HOSTS]


async def follow(
    sandboxes: Sandboxes,
    watch: Watch,
    spec: SandboxSpec,
    counting: ToolCallCount,
    hanging: HangWatch,
    taking: Coroutine[Any, Any, None],
) -> tuple[RunStatus, bytes] | Pause:
    """Start or find the run and stay with it.

    Returns its status and output when it has ended; or why it was made to stand still. At its last tool call it is
    stopped for the reason TOOL_CALLS, and for the reason of its hang if it hangs. `taking` is carried on beside it, and
    over before it is made to stand still.
    """

    async def saw(output: bytes) -> None:
        if not counting.reached and counting.saw(output):
            await sandboxes.stop(spec.run_id, TOOL_CALLS)

    following = asyncio.ensure_future(supervised(sandboxes, spec, saw))
    checkpoints = asyncio.ensure_future(taking)
    holding, hang = asyncio.ensure_future(watch.reason()), asyncio.ensure_future(hanging.hang())
    try:
        signs: set[asyncio.Future[Any]] = {following, holding, hang}
        await asyncio.wait(signs, return_when=asyncio.FIRST_COMPLETED)
        if not following.done():
            # A checkpoint that is being taken lets the run go on when it is done.
            await _end(checkpoints)
            if holding.done():
                return await _made_to_stand_still(sandboxes, spec, following, holding.result())
            await sandboxes.stop(spec.run_id, reason(hang.result()))
        return await following
    except asyncio.CancelledError:
        following.cancel()
        # How the step ends, `supervised` decides; the run itself goes on.
        await following
        raise
    finally:
        for beside in (following, checkpoints, holding, hang):
            await _end(beside)


def told_apart(status: RunStatus) -> RunStatus:
    """The status with the end for which this host stopped the run, if it did."""
    if status.end is not RunEnd.STOPPED:
        return status
    end = RunEnd.TOOL_CALLS if status.detail == TOOL_CALLS else RunEnd.HUNG if hang_of(status.detail) else status.end
    return status.model_copy(update={"end": end})


async def _made_to_stand_still(
    sandboxes: Sandboxes, spec: SandboxSpec, following: "asyncio.Future[tuple[RunStatus, bytes]]", why: Pause
) -> tuple[RunStatus, bytes] | Pause:
    with contextlib.suppress(LookupError):
        await sandboxes.freeze(spec.run_id)
    following.cancel()
    with contextlib.suppress(HandedOver, asyncio.CancelledError):
        # It may have ended just now.
        return await following
    return why


async def _end(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
