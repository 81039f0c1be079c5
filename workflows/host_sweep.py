"""Removing what a host has kept for too long; a schedule of each host starts it."""

from temporalio import workflow

from workflows import timeouts
from workflows.models.run import host_queue
from workflows.models.steps import Nothing, SweepOrder, Swept
from workflows.steps import HostSteps


@workflow.defn(name="HostSweep")
class HostSweep:
    """One sweep of one host."""

    @workflow.run
    async def run(self, order: SweepOrder) -> Swept:
        """Sweep, or give up when the host is away: the next one is due soon."""
        return await workflow.execute_activity_method(
            HostSteps.sweep,
            Nothing(),
            task_queue=host_queue(order.host),
            schedule_to_close_timeout=timeouts.SWEEP,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.FEW,
            summary=f"sweep {order.host}",
        )
