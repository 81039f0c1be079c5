"""Schedules in Temporal: what is due again and again, whichever process is there to do it."""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.policy.drill_table import DrillTable
from workflows import queues
from workflows.delivery_sweep import DeliverySweep
from workflows.host_sweep import HostSweep
from workflows.models.delivery import DELIVERY_SWEEP_ID
from workflows.models.drill import DRILL_WORKFLOW_ID, DrillOrder
from workflows.models.steps import Nothing, SweepOrder
from workflows.revert_drill import RevertDrill


async def schedule_sweep(client: Client, host: str, every: timedelta) -> None:
    """Have this host swept. Made once for each host; an interval that has changed counts from now. Raises RPCError."""
    identity = f"sweep/{host}"
    sweep = ScheduleActionStartWorkflow(
        HostSweep.run, SweepOrder(host=host), id=identity, task_queue=queues.ORCHESTRATE
    )
    await _keep(client, identity, sweep, every)


async def schedule_drill(client: Client, table: DrillTable | None) -> None:
    """Have reverts tried as often as the platform's file says, and no more where it says nothing. Raises RPCError."""
    if table is not None and table.every_hours:
        drill = ScheduleActionStartWorkflow(
            RevertDrill.run, DrillOrder(), id=DRILL_WORKFLOW_ID, task_queue=queues.ORCHESTRATE
        )
        await _keep(client, DRILL_WORKFLOW_ID, drill, timedelta(hours=table.every_hours))
        return
    await _drop(client, DRILL_WORKFLOW_ID)


async def schedule_delivery_sweep(client: Client, every_minutes: float | None) -> None:
    """Have GitHub asked for deliveries that failed; None where there is nothing to ask. Raises RPCError."""
    if every_minutes is None:
        await _drop(client, DELIVERY_SWEEP_ID)
        return
    sweep = ScheduleActionStartWorkflow(
        DeliverySweep.run, Nothing(), id=DELIVERY_SWEEP_ID, task_queue=queues.ORCHESTRATE
    )
    await _keep(client, DELIVERY_SWEEP_ID, sweep, timedelta(minutes=every_minutes))


async def _drop(client: Client, identity: str) -> None:
    try:
        await client.get_schedule_handle(identity).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _keep(client: Client, identity: str, action: ScheduleActionStartWorkflow, every: timedelta) -> None:
    schedule = Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        # Of what was due while nobody was there once is enough.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
    )
    try:
        await client.create_schedule(identity, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(identity).update(lambda _: ScheduleUpdate(schedule=schedule))
