"""One delivery of a webhook, until something has come of it; the gateway starts it when the delivery is on record."""

from datetime import timedelta

from temporalio import workflow

from workflows import queues, timeouts
from workflows.models.delivery import DeliveryOrder, DeliveryResult, Taken
from workflows.presentation import as_code
from workflows.steps import DeliverySteps

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=10)


@workflow.defn(name="Delivery")
class Delivery:
    """One delivery of a webhook: a gateway carries it out, again and again while its task can't be told yet."""

    @workflow.run
    async def run(self, order: DeliveryOrder) -> DeliveryResult:
        """Carry it out; the result says what came of it."""
        began, pause = workflow.now(), _FIRST_PAUSE
        result = await self._take(order)
        while result.outcome is Taken.WAITS:
            workflow.set_current_details(as_code(f"waits: {result.detail}", 400))
            await workflow.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            is_last = workflow.now() - began > timedelta(seconds=result.wait_seconds)
            result = await self._take(order.model_copy(update={"last": is_last}))
        workflow.set_current_details(as_code(f"{result.outcome}: {result.detail}", 400))
        return result

    async def _take(self, order: DeliveryOrder) -> DeliveryResult:
        return await workflow.execute_activity_method(
            DeliverySteps.take_delivery,
            order,
            task_queue=queues.GATEWAY,
            start_to_close_timeout=timeouts.FORGE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            # Whoever told it may be away for hours, and so may the gateway.
            retry_policy=timeouts.PATIENT,
            summary="carry out what was told",
        )
