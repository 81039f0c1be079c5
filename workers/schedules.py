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

from workflows import queues
from workflows.host_sweep import HostSweep
from workflows.models.steps import SweepOrder


async def schedule_sweep(client: Client, host: str, every: timedelta) -> None:
    """Have this host swept. Made once for each host; an interval that has changed counts from now. Raises RPCError."""
    identity = f"sweep/{host}"
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            HostSweep.run, SweepOrder(host=host), id=identity, task_queue=queues.ORCHESTRATE
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        # Of a host that was away one sweep is enough.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
    )
    try:
        await client.create_schedule(identity, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(identity).update(lambda _: ScheduleUpdate(schedule=schedule))
