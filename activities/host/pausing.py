"""Following a run that may have to stand still: at a cap of its budget, or at the end of its tool calls."""

import asyncio
import contextlib

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
"""Between two looks at the meter; requests are held there, so nothing is spent in between."""


async def follow(
    sandboxes: Sandboxes, gateway: EgressGateway, spec: SandboxSpec, adapter: AgentAdapter, tool_calls: int
) -> tuple[RunStatus, bytes] | Metered:
    """Start or find the run and stay with it.

    Returns its status and output when it has ended; or, after it was made to stand still, what it has used when a cap
    holds its requests back. At `tool_calls` it is stopped for the reason TOOL_CALLS.
    """
    counting = ToolCallCount(adapter, tool_calls)

    async def saw(output: bytes) -> None:
        if not counting.reached and counting.saw(output):
            await sandboxes.stop(spec.run_id, TOOL_CALLS)

    following = asyncio.ensure_future(supervised(sandboxes, spec, saw))
    if not adapter.services:
        return await following
    holding = asyncio.ensure_future(_held(gateway, spec.run_id))
    try:
        await asyncio.wait({following, holding}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        holding.cancel()
        following.cancel()
        # How the step ends, `supervised` decides; the run itself goes on.
        await following
        raise
    if following.done():
        holding.cancel()
        return following.result()
    with contextlib.suppress(LookupError):
        await sandboxes.freeze(spec.run_id)
    following.cancel()
    with contextlib.suppress(HandedOver, asyncio.CancelledError):
        # It may have ended just now.
        return await following
    return holding.result()


async def _held(gateway: EgressGateway, run_id: str) -> Metered:
    while True:
        # While the gateway restarts, nothing passes it either.
        with contextlib.suppress(GatewayError):
            if (metered := await gateway.metered(run_id)).held:
                return metered
        await asyncio.sleep(_LOOK_SECONDS)
