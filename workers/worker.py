"""The worker: every queue this process serves, each with the parts it needs and no others."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import FixedSizeSlotSupplier, Interceptor, Worker, WorkerTuner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.decisions.halts import HaltsUnreadable
from activities.host.halting import LOOK_SECONDS
from activities.host.heeding import HeededHalts
from activities.host.placements import PlaceSupplier
from activities.tracing.steps import TracedSteps
from workers.beating import Beating
from workers.parts.api import api_steps
from workers.parts.host import HostParts
from workers.parts.shared import SharedParts
from workers.repeating import repeat
from workers.schedules import schedule_drill, schedule_sweep
from workers.sweeping import sweep
from workers.unfinished import Unfinished
from workflows import queues
from workflows.agent_task import AgentTask
from workflows.conversation import Conversation
from workflows.delivery import Delivery
from workflows.delivery_sweep import DeliverySweep
from workflows.host_sweep import HostSweep
from workflows.merge_turns import MergeTurns
from workflows.merge_watch import MergeWatch
from workflows.models.run import host_control_queue, host_queue
from workflows.revert_drill import RevertDrill
from workflows.revert_merge import RevertMerge
from workflows.team_budget import TeamBudget

GRACE = timedelta(seconds=5)
"""How long running steps may take to hand over after a stop was asked for; runs go on under their supervisors."""
BEAT = timedelta(seconds=1)
"""Heartbeats are sent, and cancellations noticed, at least this often."""
LEASE_CHECK_SECONDS = 5.0
GATEWAY_CHECK_SECONDS = 2.0
SWEEP_SECONDS = 60.0
GIVE_BACK_SECONDS = 5.0
WORKFLOWS = (
    AgentTask,
    RevertMerge,
    RevertDrill,
    MergeWatch,
    MergeTurns,
    TeamBudget,
    HostSweep,
    Delivery,
    DeliverySweep,
    Conversation,
)
RUNNER = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules("workflows"))
"""Workflow code is one and the same for every task: importing it anew for each took more than half of a workflow's
time. That it is deterministic is what tests look at, which do import it anew, with the clock and chance closed.
"""
SHARED_QUEUES = ("orchestrate", "api")
"""Kinds of work that any worker can do."""
QUEUES = (*SHARED_QUEUES, "host")
_log = logging.getLogger(__name__)


def build(
    client: Client,
    shared: SharedParts,
    host: HostParts | None,
    serve: Sequence[str],
    interceptors: Sequence[Interceptor] = (),
) -> list[Worker]:
    """The Temporal workers for the named kinds of work, and for a host's if there is one.

    `interceptors`: of whoever has to see each step, beside the trace.
    """
    workers: list[Worker] = []
    traced = [TracedSteps(shared.recorder, shared.host), Beating(), *interceptors]
    if "orchestrate" in serve:
        workers.append(
            Worker(
                client,
                task_queue=queues.ORCHESTRATE,
                workflows=WORKFLOWS,
                workflow_runner=RUNNER,
                max_cached_workflows=shared.settings.cached_workflows,
                graceful_shutdown_timeout=GRACE,
                interceptors=traced,
            )
        )
    if "api" in serve:
        workers.append(_activities(client, queues.API, api_steps(client, shared), traced, slots=50))
    if host is not None:
        heeding = [*traced, HeededHalts(host.halts)]
        workers += [
            Worker(
                client,
                task_queue=queues.SANDBOX,
                activities=host.placement_steps,
                tuner=WorkerTuner.create_composite(
                    workflow_supplier=FixedSizeSlotSupplier(1),
                    activity_supplier=PlaceSupplier(host.placements, shared.room),
                    local_activity_supplier=FixedSizeSlotSupplier(1),
                    nexus_supplier=FixedSizeSlotSupplier(1),
                ),
                max_heartbeat_throttle_interval=BEAT,
                graceful_shutdown_timeout=GRACE,
                interceptors=traced,
            ),
            _activities(
                client, host_queue(host.host), host.host_steps, heeding, slots=shared.settings.capacity * 2 + 2
            ),
            _activities(client, host_control_queue(host.host), host.control_steps, traced, slots=1000),
        ]
    return workers


def _activities(
    client: Client, queue: str, steps: Sequence[Callable[..., Any]], traced: Sequence[Interceptor], slots: int
) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        activities=steps,
        max_concurrent_activities=slots,
        max_heartbeat_throttle_interval=BEAT,
        graceful_shutdown_timeout=GRACE,
        interceptors=traced,
    )


@contextlib.asynccontextmanager
async def working(
    client: Client,
    shared: SharedParts,
    host: HostParts | None,
    serve: Sequence[str] = SHARED_QUEUES,
    interceptors: Sequence[Interceptor] = (),
) -> AsyncIterator[None]:
    """Serve the queues, and a host's own if there is one, until the block ends; then hand over what is running."""
    async with contextlib.AsyncExitStack() as stack:
        unfinished = Unfinished(shared.layout.steps, shared.host)
        stack.enter_context(unfinished.serving())
        chores = [_give_back(client, unfinished)]
        if "api" in serve:
            chores.append(_look_for_ends(client, shared))
            await schedule_drill(client, shared.owners.platform().drill)
        if host is not None:
            with contextlib.suppress(HaltsUnreadable):
                # Before any step: until it is known what is halted, nothing begins.
                await host.halts.look()
            await host.gateway.ensure_running()
            await schedule_sweep(client, host.host, timedelta(seconds=shared.settings.sweep_seconds))
            chores += _host_chores(client, host)
        for chore in chores:
            stack.callback(asyncio.create_task(chore).cancel)
        workers = build(client, shared, host, serve, [unfinished, *interceptors])
        for worker in workers:
            await stack.enter_async_context(worker)
        # All at once: one that goes on alone would take a place on a host whose other queues nobody serves any more.
        stack.push_async_callback(_stop_all, workers)
        yield


async def _stop_all(workers: Sequence[Worker]) -> None:
    await asyncio.gather(*(worker.shutdown() for worker in workers))


def _give_back(client: Client, unfinished: Unfinished) -> Coroutine[None, None, None]:
    async def give_back() -> None:
        await unfinished.give_back(client)

    return repeat("give back what workers were at that died on this host", give_back, GIVE_BACK_SECONDS)


def _look_for_ends(client: Client, shared: SharedParts) -> Coroutine[None, None, None]:
    """What whoever reaches the forge does beside its steps."""
    ends = shared.ends(client)

    async def look() -> None:
        for task in await ends.record_all():
            _log.warning("task %s ended without an outcome: one was put on record", task)

    return repeat("look for tasks that have ended without an outcome", look, SWEEP_SECONDS)


def _host_chores(client: Client, host: HostParts) -> list[Coroutine[None, None, None]]:
    """What a host does beside its steps, for as long as it serves."""

    async def renew_lease() -> None:
        await client.service_client.check_health(timeout=timedelta(seconds=LEASE_CHECK_SECONDS))
        host.sandboxes.renew_lease()

    async def look_for_halts() -> None:
        await host.halts.look()

    async def give_back() -> None:
        for task in await sweep(client, host):
            _log.warning("task %s no longer needed its workspace here: it was given back", task)

    return [
        repeat("renew the lease of this host's runs, which freeze without it", renew_lease, LEASE_CHECK_SECONDS),
        repeat("find out what is halted", look_for_halts, LOOK_SECONDS),
        repeat("keep the egress gateway up", host.gateway.ensure_running, GATEWAY_CHECK_SECONDS),
        repeat("look for workspaces that no task needs", give_back, SWEEP_SECONDS),
    ]
