"""Following a run that may have to stand still: at a cap, for a question about a host, or after its last tool call."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from activities.agents.adapter import AgentAdapter
from activities.agents.tool_calls import ToolCallCount
from activities.egress.contract import EgressGateway
from activities.egress.places import GatewayError
from activities.host.supervised import HandedOver, supervised
from activities.sandbox.contract import RunStatus, Sandboxes, SandboxSpec
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

    def __init__(self, gateway: EgressGateway, run_id: str, asks_about: Callable[[str], bool] | None) -> None:
        """`asks_about`: which of the hosts that are refused people are asked about; None if about none."""
        self._gateway = gateway
        self._run_id = run_id
        self._asks_about = asks_about
        self._seen = 0

    @property
    def asks(self) -> bool:
        """Whether a refused host can be a reason."""
        return self._asks_about is not None

    async def reason(self) -> Pause:
        """Wait until there is one."""
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
    adapter: AgentAdapter,
    tool_calls: int,
    keep_taking: Callable[[ToolCallCount], Coroutine[Any, Any, None]],
) -> tuple[RunStatus, bytes] | Pause:
    """Start or find the run and stay with it.

    Returns its status and output when it has ended; or why it was made to stand still. At `tool_calls` it is stopped
    for the reason TOOL_CALLS. `keep_taking` is carried on beside it, and over before it is made to stand still.
    """
    counting = ToolCallCount(adapter, tool_calls)

    async def saw(output: bytes) -> None:
        if not counting.reached and counting.saw(output):
            await sandboxes.stop(spec.run_id, TOOL_CALLS)

    following = asyncio.ensure_future(supervised(sandboxes, spec, saw))
    taking = asyncio.ensure_future(keep_taking(counting))
    try:
        return await _followed(sandboxes, watch, spec, following, taking, watches=bool(adapter.services) or watch.asks)
    finally:
        await _end(taking)


async def _followed(
    sandboxes: Sandboxes,
    watch: Watch,
    spec: SandboxSpec,
    following: "asyncio.Future[tuple[RunStatus, bytes]]",
    taking: "asyncio.Future[None]",
    *,
    watches: bool,
) -> tuple[RunStatus, bytes] | Pause:
    if not watches:
        return await following
    holding = asyncio.ensure_future(watch.reason())
    try:
        either: set[asyncio.Future[Any]] = {following, holding}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        holding.cancel()
        following.cancel()
        # How the step ends, `supervised` decides; the run itself goes on.
        await following
        raise
    if following.done():
        holding.cancel()
        return following.result()
    # One that is being taken lets the run go on when it is done.
    await _end(taking)
    with contextlib.suppress(LookupError):
        await sandboxes.freeze(spec.run_id)
    following.cancel()
    with contextlib.suppress(HandedOver, asyncio.CancelledError):
        # It may have ended just now.
        return await following
    return holding.result()


async def _end(task: "asyncio.Future[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
