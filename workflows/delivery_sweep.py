"""GitHub tries each delivery once: a schedule looks for those that failed, and asks for them again."""

from datetime import timedelta

from temporalio import workflow

from workflows import queues, timeouts
from workflows.models.delivery import SweptDeliveries
from workflows.models.steps import Nothing
from workflows.steps import DeliverySteps


@workflow.defn(name="DeliverySweep")
class DeliverySweep:
    """One look at the App's deliveries."""

    @workflow.run
    async def run(self, order: Nothing) -> SweptDeliveries:
        """Look, or give up where no gateway is there to take anything in: the next look is due soon."""
        return await workflow.execute_activity_method(
            DeliverySteps.ask_for_deliveries,
            order,
            task_queue=queues.GATEWAY,
            schedule_to_close_timeout=timedelta(minutes=30),
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.FEW,
            summary="look for deliveries that failed",
        )
